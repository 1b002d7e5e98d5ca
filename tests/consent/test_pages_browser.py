"""The room's pages in a real browser: with script and without, no barrier, nothing too wide."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from consent import ledger, mail
from tests.consent.conftest import policy_source
from tests.factories.accounts import member
from tests.factories.consent import CATEGORY, PURPOSE, TRANSFER, decided, posted
from tests.factories.policy import publish_bytes
from tests.plugins.looking import carry, look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def site(live_server: Any, settings: Any) -> str:
    """The running site under the room's policy."""
    settings.SITE_URL = live_server.url
    publish_bytes(policy_source())
    return str(live_server.url)


def sign_in(page: Page, user: Any, site: str) -> None:
    """Sign that person in in this browser."""
    client = Client()
    client.force_login(user)
    carry(page, client, site)


def test_pages_have_no_barrier(site: str, page: Page) -> None:
    user, now = member(), timezone.now()
    decided(user.subject, "given", kind="purpose", key=PURPOSE, now=now)
    decided(user.subject, "withdrawn", kind="purpose", key=PURPOSE, now=now)
    link = re.search(r"http\S+/unsubscribe/\S+/", mail.text_of(posted(user.subject.pk, now=now)))
    assert link is not None
    look(page, link[0], "unsubscribe")
    page.get_by_role("button", name="No more of “News of our services”").click()
    look(page, f"{site}/unsubscribe/unknown/", "unsubscribe-unknown")
    look(page, f"{site}/cookies/", "cookies")
    sign_in(page, user, site)
    look(page, f"{site}/privacy/choices/", "choices")
    look(page, f"{site}/privacy/choices/purpose/{PURPOSE}/", "history")
    look(page, f"{site}/privacy/choices/mail/digest/", "history-empty")
    look(page, f"{site}/privacy/choices/transfer/{TRANSFER}/withdraw/", "withdraw")


def test_a_switch_saves_itself_with_script(site: str, page: Page) -> None:
    user = member()
    sign_in(page, user, site)
    page.goto(f"{site}/privacy/choices/")
    page.get_by_role("switch", name="The weekly digest").check()
    expect(page.get_by_role("status")).to_contain_text("“The weekly digest” is on from now.")
    assert ledger.standing(user.subject.pk)["mail", "digest"].decision == "given"


def test_a_switch_is_saved_by_its_button_without_script(site: str, browser: Browser) -> None:
    user = member()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, user, site)
    page.goto(f"{site}/privacy/choices/")
    page.get_by_role("switch", name="News of our services").uncheck()
    page.get_by_role("button", name=re.compile("Save.*News of our services")).click()
    expect(page.get_by_role("status")).to_contain_text("is off from now.")
    assert ledger.standing(user.subject.pk)["mail", CATEGORY].decision == "refused"
    context.close()


def test_the_refusal_page_works_by_keyboard_without_script(site: str, browser: Browser) -> None:
    user, now = member(), timezone.now()
    link = re.search(r"http\S+/unsubscribe/\S+/", mail.text_of(posted(user.subject.pk, now=now)))
    assert link is not None
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(link[0])
    page.get_by_role("button", name="No offers at all").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Done")
    assert context.cookies() == []
    standing = ledger.standing(user.subject.pk)
    assert {key for kind, key in standing if kind == "mail"} == {"digest", CATEGORY}
    context.close()
