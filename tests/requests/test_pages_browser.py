"""The room's pages and the hubs in a real browser: no barrier that axe can find, no overflow."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from audit import control
from requests import review
from requests.models import Request
from tests.factories.accounts import member, prove_second_factor, reauthenticated, staff_member
from tests.factories.policy import publish_file
from tests.factories.requests import asked, asked_with_link, erased

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WIDTHS = (360, 1280)
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
PICTURES = os.environ.get("KEPT_PICTURES")


def carry(page: Page, client: Client, url: str) -> None:
    """Give the test client's session to the browser."""
    name = django_settings.SESSION_COOKIE_NAME
    page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": url}])


def look(page: Page, url: str, name: str) -> None:
    """Open at each width in each scheme: nothing scrolls sideways, axe finds nothing."""
    for width in WIDTHS:
        for scheme in SCHEMES:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            page.goto(url)
            if PICTURES:
                shot = Path(PICTURES) / f"{name}-{width}-{scheme}.png"
                page.screenshot(path=shot, full_page=True)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is {wide} px wide at {width}"
            found = Axe().run(page)
            assert found.violations_count == 0, f"{name}: {found.generate_report()}"


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
