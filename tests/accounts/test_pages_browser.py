"""The way to an account in a real browser; pages without barriers at both widths and schemes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page

from accounts.models import User
from accounts.roles import Role
from consent import mail
from consent.models import Message
from datamap.models import Subject
from tests.accounts.dump import dump
from tests.factories.accounts import (
    PASSWORD,
    log_in,
    member,
    prove_second_factor,
    reauthenticated,
    staff_member,
)
from tests.factories.policy import publish_file
from tests.plugins.looking import carry, look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def site(live_server: Any, settings: Any) -> str:
    settings.SITE_URL = live_server.url
    cache.clear()
    publish_file()
    return str(live_server.url)


def enter_birth_date(page: Page, site: str, day: str, month: str, year: str) -> None:
    page.goto(site + reverse("accounts:signup"))
    page.get_by_label("Day").fill(day)
    page.get_by_label("Month").fill(month)
    page.get_by_label("Year").fill(year)
    page.get_by_role("button", name="Go on").click()


def fill_form(page: Page, email: str, answer: str = "Yes, I agree") -> None:
    page.get_by_label("First name").fill("Robin")
    page.get_by_label("Last name").fill("Example")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label(answer).check()


def test_an_adult_signs_up_confirms_and_signs_in(site: str, page: Page) -> None:
    look(page, site + reverse("accounts:age"), "age")
    enter_birth_date(page, site, "17", "5", "1990")
    look(page, site + reverse("accounts:signup"), "signup")
    fill_form(page, "robin@example.com")
    page.get_by_role("button", name="Create the account").click()
    page.get_by_text("Look into your mail").first.wait_for()
    message = Message.objects.get(template="account_email_confirmation_signup")
    link = re.search(r"http\S+/confirm-email/\S+", mail.text_of(message))
    assert link is not None
    page.goto(link[0])
    page.locator("main form button").click()
    page.wait_for_url(re.compile("login"))
    page.get_by_label("E-mail address").fill("robin@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main form button").first.click()
    page.wait_for_url(re.compile("/privacy/$"))
    assert User.objects.get().unconfirmed_since is None


def test_a_child_finds_no_way_back(site: str, page: Page) -> None:
    before = dump()
    enter_birth_date(page, site, "1", "1", "2020")
    page.get_by_role("heading", name="Thank you for asking").wait_for()
    page.go_back()
    page.reload()
    page.get_by_role("heading", name="Thank you for asking").wait_for()
    look(page, site + reverse("accounts:signup"), "refused")
    assert dump() == before


def test_a_minor_reads_the_advice_first(site: str, page: Page) -> None:
    enter_birth_date(page, site, "1", "1", "2011")
    page.get_by_role("heading", name="Before you go on").wait_for()
    look(page, site + reverse("accounts:age_advice"), "advice")
    page.get_by_role("link", name="I have read this").click()
    fill_form(page, "teen@example.com")
    page.get_by_role("button", name="Create the account").click()
    page.get_by_text("Look into your mail").first.wait_for()
    assert Subject.objects.get().minor is True


def test_mistakes_are_named_beside_their_fields(site: str, page: Page) -> None:
    enter_birth_date(page, site, "31", "2", "1990")
    page.get_by_text("This month does not have that day.").first.wait_for()
    page.set_viewport_size({"width": 360, "height": 900})
    assert Axe().run(page).violations_count == 0
    enter_birth_date(page, site, "17", "5", "1990")
    page.get_by_role("button", name="Create the account").click()
    page.get_by_text("Answer yes or no.").first.wait_for()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    fill_form(page, "robin@example.com", answer="No, I do not agree")
    page.get_by_role("button", name="Create the account").click()
    page.get_by_role("heading", name="No account was made").wait_for()
    assert Axe().run(page).violations_count == 0
    assert User.objects.count() == 0


def test_pages_of_members_and_staff(site: str, page: Page, client: Client) -> None:
    user = member()
    for _ in range(2):
        log_in(Client(), user)
    look(page, site + reverse("accounts:locked"), "locked")
    carry(page, reauthenticated(client, user), site)
    look(page, site + reverse("accounts:devices"), "devices")
    look(page, site + reverse("accounts:birth_date"), "birth-date")
    carry(page, prove_second_factor(Client(), staff_member(Role.SUPPORT)), site)
    look(page, site + reverse("accounts:report_child"), "report-child")
