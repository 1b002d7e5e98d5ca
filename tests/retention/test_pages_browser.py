"""The room's pages in a real browser: no barrier that axe can find, nothing scrolls sideways."""

import re
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from accounts.age import learn_birth_date
from accounts.roles import Role
from audit.log import SYSTEM
from consent import mail
from consent.models import Message
from retention import children, sweep_views
from retention.models import Brake, ChildCase, SweepRun
from retention.sweep import sweep
from tests.factories.accounts import prove_second_factor, staff_member
from tests.factories.policy import publish_file
from tests.factories.retention import make_brake, make_person, make_sessions
from tests.plugins.looking import carry, look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def site(live_server: Any, settings: Any) -> str:
    settings.SITE_URL = live_server.url
    publish_file()
    return str(live_server.url)


def make_case(name: str) -> ChildCase:
    user = make_person(name)
    learn_birth_date(
        subject=user.subject,
        born_on=date(2016, 5, 5),
        source="other",
        actor=SYSTEM,
        now=timezone.now(),
    )
    return ChildCase.objects.get(subject=user.subject)


def test_locked_person_contests_with_the_link_from_the_mail(site: str, page: Page) -> None:
    case = make_case("kim")
    message = Message.objects.get(subject=case.subject, template="child_locked")
    found = re.search(r"http\S+/contest/\S+/", mail.text_of(message))
    assert found is not None
    look(page, found[0], "contest")
    page.get_by_label("Why is this a mistake?").fill("I am 36.")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("We have what you wrote").wait_for()
    case.refresh_from_db()
    assert case.state == ChildCase.State.CONTESTED
    look(page, found[0], "contested")
    look(page, site + reverse("retention:contest", args=["x" * 43]), "contest-gone")


def test_pages_for_staff(
    site: str, page: Page, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_views, "AT_ONCE", timedelta(minutes=5))
    now = timezone.now()
    case, _other = make_case("kim"), make_case("lee")
    children.contest(case_id=case.pk, statement="I am 36.", now=now)
    make_sessions(None, count=12, expire=now - timedelta(days=5))
    sweep(now=now)
    make_sessions(None, count=3, expire=now - timedelta(days=5))
    carry(page, prove_second_factor(client, staff_member(Role.PRIVACY_ADMIN)), site)
    look(page, site + reverse("retention:cases"), "cases")
    look(page, site + reverse("retention:case", args=[case.reference]), "child-case")
    look(page, site + reverse("retention:sweeps"), "sweeps")
    page.get_by_role("button", name="Count what would go now").click()
    page.get_by_text("3 rows would go now").wait_for()
    look(page, page.url, "dry-run")
    look(page, site + reverse("retention:runs"), "runs")
    look(
        page,
        site + reverse("retention:run", args=[SweepRun.objects.get(dry_run=False).reference]),
        "run",
    )


def test_brake_is_let_go_with_the_keyboard(site: str, page: Page, client: Client) -> None:
    held = make_brake(braked_at=timezone.now())
    sweep(now=timezone.now(), budget=timedelta())
    carry(page, prove_second_factor(client, staff_member(Role.PRIVACY_ADMIN)), site)
    look(page, site + reverse("retention:sweeps"), "sweeps-braked")
    look(page, site + reverse("retention:brake", args=[held.reference]), "brake")
    page.get_by_label("Your reason").last.focus()
    page.keyboard.type("The period is wrong")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("Nothing of this goes until").wait_for()
    held.refresh_from_db()
    assert held.state == Brake.State.STOPPED
