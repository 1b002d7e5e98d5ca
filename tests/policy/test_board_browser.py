"""Pages of promises in a real browser: without barriers, at both widths, in light and dark."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from accounts.roles import Role
from policy.models import PolicyVersion
from tests.factories.accounts import prove_second_factor, staff_member
from tests.factories.policy import publish_file
from tests.plugins.looking import carry, look
from tests.policy.test_views import evidence

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
KEY = "accounts.age-screen"


@pytest.fixture
def site(live_server: Any, settings: Any) -> str:
    settings.SITE_URL = live_server.url
    cache.clear()
    fill(publish_file())
    return str(live_server.url)


def fill(version: PolicyVersion) -> None:
    """Three months with a broken day, days without a check, and a check that failed."""
    now = timezone.now()
    for days in range(80):
        outcome = {5: "broken", 6: "broken", 20: "failed"}.get(days, "kept")
        if not 30 < days < 36:
            count = 2 if outcome == "broken" else 0
            evidence(
                KEY,
                version,
                at=now - timedelta(days=days, hours=1),
                outcome=outcome,
                violations=count,
                violation_ids=[f"0199-{n}" for n in range(count)],
                figures={"slowest_days": 3.5},
            )
    evidence("consent.transfer", version, outcome="broken", violations=2, violation_ids=["0199-a"])


def test_a_visitor_reads_how_a_promise_fared(site: str, page: Page) -> None:
    page.goto(site + reverse("policy:promises"))
    line = page.locator("#WC-14")
    line.get_by_text("How we check").click()
    line.get_by_role("link", name="Evidence, day by day").click()
    look(page, page.url, "promise")
    page.get_by_text("Day by day, in words").click()
    assert page.get_by_role("img").count() >= 1
    look(page, site + reverse("policy:promise", args=["WC-2"]), "promise-unchecked")
    look(page, site + reverse("policy:promise", args=["WC-15"]), "promise-never-checked")


def test_staff_filter_and_read_the_evidence(site: str, page: Page) -> None:
    carry(page, prove_second_factor(Client(), staff_member(Role.PRIVACY_ADMIN)), site)
    look(page, site + reverse("policy:staff_promises"), "staff-promises")
    page.get_by_role("link", name="Broken", exact=True).click()
    assert page.locator("ul.ledger > li").count() == 1
    look(page, site + reverse("policy:staff_control", args=[KEY]), "staff-control")
    page.get_by_role("button", name="Check now").click()
    page.get_by_text("of 1 checked").first.wait_for()
    look(page, page.url, "staff-checking")
