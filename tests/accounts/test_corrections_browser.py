"""Correcting one's data in a real browser, with scripts and without; no barrier at any width."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from accounts import correctable
from accounts.models import ApiKey, User
from datamap.registry import holding
from policy import current
from tests.factories.accounts import member, reauthenticated
from tests.factories.api import made
from tests.factories.policy import publish_file
from tests.plugins.looking import barriers, carry, look, window

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def site(live_server: Any, settings: Any) -> str:
    settings.SITE_URL = live_server.url
    cache.clear()
    publish_file()
    return str(live_server.url)


def signed_in(user: User) -> Client:
    return reauthenticated(Client(), user)


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_person_corrects_confirms_and_removes(site: str, browser: Browser, scripts: bool) -> None:
    ada = member(first_name="Ada")
    made(ada, name="Shell")
    address = site + reverse("accounts:corrections")
    with window(browser, site, signed_in(ada), java_script_enabled=scripts) as page:
        page.goto(address)
        account = page.locator("#accounts-account")
        page.get_by_label("First name").fill("")
        account.get_by_role("button", name="Save").click()
        error = page.get_by_role("alert").get_by_role("link", name="First name")
        expect(error).to_be_visible()
        page.get_by_label("First name").fill("Adah")
        account.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Changed. It counts from now on.")).to_be_visible()
        expect(page.get_by_label("First name")).to_have_value("Adah")
        page.locator("#accounts-age").get_by_role("button", name="It is still right").click()
        expect(page.get_by_text("that this is right: Born on.")).to_be_visible()
        keys = page.locator("#accounts-api-key")
        keys.get_by_role("link", name="Remove it").click()
        page.get_by_role("button", name="Remove it").click()
        expect(page.get_by_text("Removed.")).to_be_visible()
    assert User.objects.get(pk=ada.pk).first_name == "Adah"
    assert not ApiKey.objects.exists()


def test_the_pages_have_no_barrier(site: str, page: Page) -> None:
    ada = member()
    keys = [made(ada, name=name).key for name in ("Shell", "Other")]
    client = signed_in(ada)
    for each in correctable.entries(subject_id=ada.subject_id, document=current.document()):
        if each.row is not None and each.data:
            path = reverse("accounts:correct", args=[each.holding.key, each.ref])
            client.post(path, {"right": "yes"})
    carry(page, client, site)
    look(page, site + reverse("accounts:corrections"), "corrections")
    page.get_by_label("First name").fill("")
    page.locator("#accounts-account").get_by_role("button", name="Save").click()
    page.get_by_role("alert").wait_for()
    assert barriers(page, "corrections_refused") == []
    kind = holding("accounts.api_key")
    ref = correctable.reference(kind, keys[0])
    look(page, site + reverse("accounts:remove", args=[kind.key, ref]), "corrections_remove")
    look(page, site + reverse("requests:data"), "data")
