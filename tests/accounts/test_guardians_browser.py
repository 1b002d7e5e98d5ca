"""Asking a parent in a real browser, from the lock to the consent and back, without barriers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import AgeVerdict, Guardianship, User
from accounts.roles import Role
from datamap.models import Subject
from tests.factories.accounts import minor, prove_second_factor, reauthenticated, staff_member
from tests.factories.guardians import PARENT, case_of, code_for, link_to, locked_child
from tests.factories.policy import publish_file
from tests.plugins.looking import barriers, carry, look
from tests.retention.test_children import link_in_mail

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def site(live_server: Any, settings: Any) -> str:
    settings.SITE_URL = live_server.url
    cache.clear()
    publish_file()
    return str(live_server.url)


def open_parents_page(page: Page, site: str, row: Guardianship) -> None:
    """By the mailed link and the mailed code."""
    page.goto(site + link_to(row))
    page.get_by_role("button", name="Send me a code").click()
    page.get_by_label("Code from the mail").fill(code_for(row))
    page.get_by_role("button", name="Open the page").click()


def ask(page: Page, site: str, child: User) -> Guardianship:
    """The child names a parent on the page of the lock."""
    page.goto(site + link_in_mail(child))
    page.get_by_label("E-mail address of your parent").fill(PARENT)
    page.get_by_role("button", name="Ask them").click()
    expect(page.get_by_text("We have written to the address you gave")).to_be_visible()
    return Guardianship.objects.get(subject=child.subject)


def agree(page: Page) -> None:
    """Say yes to the use alone, to be verified by a call."""
    page.get_by_label("I am this child's parent or guardian.").check()
    page.get_by_label(re.compile("You may hold and use")).check()
    page.get_by_role("radio", name="No", exact=True).check()
    page.get_by_role("radio", name="A telephone call").check()
    page.get_by_label("What we need for that").fill("+1 202 555 0143")
    page.get_by_role("button", name="I agree", exact=True).click()


def test_parent_is_asked_agrees_is_verified_and_takes_it_back(site: str, page: Page) -> None:
    child = locked_child(now=timezone.now())
    row = ask(page, site, child)
    assert barriers(page, "guardian-asked-by-child") == []
    page.goto(site + link_to(row))
    assert barriers(page, "guardian-code") == []
    open_parents_page(page, site, row)
    expect(page.get_by_role("heading", name="May we hold this child's data?")).to_be_visible()
    assert barriers(page, "guardian-asked") == []
    page.get_by_role("button", name="I agree", exact=True).click()
    expect(page.get_by_text("Nothing is chosen for you.").first).to_be_visible()
    assert barriers(page, "guardian-half-a-yes") == []
    agree(page)
    expect(page.get_by_text("Now we make sure that you are the parent")).to_be_visible()
    assert barriers(page, "guardian-agreed") == []

    verify(page, site, child)
    open_parents_page(page, site, row)
    expect(page.get_by_text("Your consent stands since")).to_be_visible()
    assert barriers(page, "guardian-verified") == []
    page.get_by_role("button", name="Lock the account").click()
    expect(page.get_by_role("heading", name="We have your answer")).to_be_visible()
    assert barriers(page, "guardian-done") == []
    assert Subject.objects.get(pk=child.subject_id).locked


def verify(page: Page, site: str, child: User) -> None:
    """A reviewer reads how to reach the parent, and records the consent."""
    client = Client()
    prove_second_factor(client, staff_member(Role.REVIEWER))
    carry(page, client, site)
    page.goto(site + reverse("retention:case", args=[case_of(child).reference]))
    page.get_by_label("Your reason").first.fill("To call the parent")
    page.get_by_role("button", name="Read it").click()
    expect(page.get_by_text("+1 202 555 0143")).to_be_visible()
    assert barriers(page, "guardian-case") == []
    form = page.locator("form[action$='/parent/']")
    form.get_by_label("A telephone call").check()
    form.get_by_label("Your reason").fill("Called, the voice of a grown-up with the child's name")
    form.get_by_role("button", name="Record the consent").click()
    expect(page.get_by_text("Recorded.")).to_be_visible()
    page.context.clear_cookies()


def test_all_of_it_works_without_script(site: str, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 800})
    page = context.new_page()
    child = locked_child(now=timezone.now())
    row = ask(page, site, child)
    open_parents_page(page, site, row)
    agree(page)
    expect(page.get_by_text("Now we make sure that you are the parent")).to_be_visible()
    page.get_by_role("button", name="I do not agree any more").click()
    expect(page.get_by_role("heading", name="We have your answer")).to_be_visible()
    assert not Guardianship.objects.exists()
    context.close()


def test_person_of_age_sees_how_to_end_the_careful_settings(site: str, page: Page) -> None:
    user = minor(years=17)
    AgeVerdict.objects.filter(subject=user.subject).update(born_on="1990-01-01")
    carry(page, reauthenticated(Client(), user), site)
    look(page, site + reverse("accounts:birth_date"), "birth-date-of-age")
    page.get_by_role("button", name="End the careful settings").click()
    expect(page.get_by_text("Done. Look at your choices")).to_be_visible()
    assert Subject.objects.get(pk=user.subject_id).minor is False
