"""The room's pages and the hubs in a real browser: no barrier that axe can find, no overflow."""

from __future__ import annotations

import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page

from audit import control
from requests import package_orders, review
from requests.models import Package, Request
from tests.factories.accounts import (
    PASSWORD,
    member,
    prove_second_factor,
    reauthenticated,
    staff_member,
)
from tests.factories.policy import publish_file
from tests.factories.requests import asked, asked_with_link, copy_asked, erased
from tests.plugins.looking import carry, look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def site(live_server: Any, settings: Any) -> str:
    settings.SITE_URL = live_server.url
    publish_file()
    return str(live_server.url)


def test_pages_for_people(site: str, page: Page, client: Client) -> None:
    now = timezone.now()
    for keeper in ("requests.deadlines", "requests.deletion-notice"):
        control.evaluate(control=control.controls()[keeper], now=now)
    user, reviewer = member(), staff_member()
    look(page, site + "/", "front")
    carry(page, reauthenticated(client, user), site)
    for name in ("privacy", "requests:data", "requests:delete", "requests:list"):
        look(page, site + reverse(name), name.rpartition(":")[2])
    request, token = asked_with_link(user, now=now)
    look(page, site + reverse("requests:list"), "list-one")
    look(page, site + reverse("requests:delete"), "delete-again")
    look(page, site + reverse("requests:own", args=[request.reference]), "own")
    review.deny(request_id=request.pk, reviewer=reviewer, reason="A court said no.", now=now)
    look(page, site + reverse("requests:status", args=[token]), "denied")
    other, link = member(), ""
    _request, link = asked_with_link(other, now=now)
    erased(other, reviewer, now=now)
    look(page, site + reverse("requests:status", args=[link]), "done")


def test_pages_for_staff(site: str, page: Page, client: Client) -> None:
    now = timezone.now()
    first, reviewer = asked(member(), now=now), staff_member(first_name="Sam")
    late = asked(member(), now=now)
    Request.objects.filter(pk=late.pk).update(
        received_at=now - timedelta(days=40), due_at=now - timedelta(days=9)
    )
    soon = asked(member(), now=now)
    Request.objects.filter(pk=soon.pk).update(
        received_at=now - timedelta(days=26), due_at=now + timedelta(days=5)
    )
    review.claim(request_id=soon.pk, reviewer=reviewer, now=now)
    erased(member(), reviewer, now=now)
    carry(page, prove_second_factor(client, reviewer), site)
    look(page, site + reverse("staff"), "staff")
    look(page, site + reverse("requests:desk"), "desk")
    look(page, site + reverse("requests:desk") + "?show=all", "desk-all")
    look(page, site + reverse("requests:case", args=[first.reference]), "case")


def test_pages_of_a_copy(site: str, page: Page, client: Client) -> None:
    now = timezone.now()
    user, reviewer = member(), staff_member(first_name="Sam")
    carry(page, reauthenticated(client, user), site)
    look(page, site + reverse("requests:copy"), "copy")
    request = copy_asked(user, now=now)
    own = site + reverse("requests:own", args=[request.reference])
    look(page, own, "copy-asked")
    review.approve(request_id=request.pk, reviewer=reviewer, now=now)
    Package.objects.update(
        state="building",
        claim=request.pk,
        lease_until=now + timedelta(minutes=9),
        rows=41_000,
        rows_total=98_000,
        step="consent.event",
    )
    Request.objects.filter(pk=request.pk).update(state="in_progress")
    look(page, own, "copy-being-made")
    Package.objects.update(lease_until=now)
    assert len(package_orders.work(now=now).ready) == 1
    look(page, own, "copy-ready")
    look(page, site + reverse("requests:package", args=[request.reference]), "package")
    look(page, site + reverse("requests:copy"), "copy-too-soon")
    waiting = copy_asked(member(), now=now)
    carry(page, prove_second_factor(client, reviewer), site)
    look(page, site + reverse("requests:case", args=[waiting.reference]), "case-copy")


def ask_for_a_copy(page: Page, site: str) -> Request:
    """From the data page to the request, with the password on the way."""
    page.goto(site + reverse("requests:data"))
    page.get_by_role("link", name="Get a copy of everything").click()
    page.get_by_label("To take my data elsewhere").check()
    page.get_by_role("button", name="Ask for my copy").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("heading", name="Step by step").wait_for()
    return Request.objects.get()


def download(page: Page) -> zipfile.ZipFile:
    """From the request's page to the file."""
    page.get_by_role("link", name="Go to the download").click()
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download").click()
    path = caught.value.path()
    assert path.stat().st_size == Package.objects.get().size
    return zipfile.ZipFile(path)


def test_a_copy_from_the_click_to_the_file_without_looking_away(
    site: str, page: Page, client: Client
) -> None:
    user, reviewer = member(), staff_member()
    client.force_login(user)
    carry(page, client, site)
    request = ask_for_a_copy(page, site)
    assert request.kind == "portability"
    review.approve(request_id=request.pk, reviewer=reviewer, now=timezone.now())
    # The page asks again by itself: approved, then ready.
    page.get_by_text("Your copy is made next.").wait_for()
    package_orders.work(now=timezone.now())
    page.get_by_text("Your copy is ready.").wait_for()
    with download(page) as archive:
        assert archive.testzip() is None
    page.reload()
    assert "Once, on" in page.content()


def test_a_copy_without_javascript(site: str, browser: Browser, client: Client) -> None:
    user, reviewer = member(), staff_member()
    client.force_login(user)
    context = browser.new_context(java_script_enabled=False, accept_downloads=True)
    page = context.new_page()
    carry(page, client, site)
    request = ask_for_a_copy(page, site)
    review.approve(request_id=request.pk, reviewer=reviewer, now=timezone.now())
    package_orders.work(now=timezone.now())
    page.get_by_role("link", name="Look again").click()
    with download(page) as archive:
        assert "data.json" in archive.namelist()
    context.close()
