"""Inviting, joining and being left alone in a real browser, with and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page

from accounts import connections
from accounts.models import Invitation, Suppression, User
from consent import mail
from consent.models import Message
from tests.factories.accounts import PASSWORD, member
from tests.factories.invitations import FRIEND, invite
from tests.factories.policy import publish_file
from tests.plugins.looking import barriers, carry, look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def site(live_server: Any, settings: Any) -> str:
    settings.SITE_URL = live_server.url
    cache.clear()
    publish_file()
    return str(live_server.url)


@pytest.fixture(params=[True, False], ids=["script", "no script"])
def plain_or_not(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A browser's window, once with JavaScript and once without."""
    context = browser.new_context(java_script_enabled=request.param)
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def robin(site: str, page: Page) -> User:
    """A member whose browser this is."""
    user, client = member(first_name="Robin", last_name="Doe"), Client()
    client.force_login(user)
    carry(page, client, site)
    return user


def mailed(template: str, path: str) -> str:
    text = mail.text_of(Message.objects.filter(template=template).latest("posted_at"))
    found = re.search(rf"http\S+{path}", text)
    assert found is not None, text
    return found[0]


def test_member_invites_and_the_friend_joins(site: str, plain_or_not: Page) -> None:
    page = plain_or_not
    user = robin(site, page)
    page.goto(site + "/privacy/")
    page.get_by_role("link", name="Invitations").first.click()
    page.get_by_label("E-mail address of your friend").fill("no address")
    page.get_by_role("button", name="Invite").click()
    page.get_by_text("Enter one e-mail address").first.wait_for()
    page.get_by_label("E-mail address of your friend").fill(FRIEND)
    page.get_by_role("button", name="Invite").click()
    page.get_by_text("one message goes").wait_for()
    page.get_by_text("1 invited, 0 accepted").wait_for()
    page.context.clear_cookies()
    page.goto(mailed("invitation", r"/invitations/[\w-]+/(?=\s)"))
    page.get_by_role("heading", name="Robin Doe invites you to WeCustomers").wait_for()
    page.get_by_role("button", name="Accept").click()
    for label, value in (("Day", "17"), ("Month", "5"), ("Year", "1990")):
        page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("First name").fill("Wren")
    page.get_by_label("Last name").fill("Low")
    page.get_by_label("E-mail address").fill(FRIEND)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Yes, I agree").check()
    page.get_by_role("button", name="Create the account").click()
    page.get_by_text("Look into your mail").first.wait_for()
    page.goto(mailed("account_email_confirmation_signup", r"/confirm-email/\S+"))
    page.locator("main form button").click()
    page.wait_for_url(re.compile("login"))
    wren = User.objects.get(email=FRIEND)
    assert connections.connected_with(subject_ids=[wren.subject_id], viewer_id=user.subject_id) == {
        wren.subject_id
    }


def test_stranger_removes_the_address_and_lets_it_be_invited_again(
    site: str, plain_or_not: Page
) -> None:
    page = plain_or_not
    invite(member(), now=timezone.now())
    page.goto(mailed("invitation", r"/invitations/[\w-]+/remove/"))
    assert Invitation.objects.count() == 1
    page.get_by_role("button", name="Remove my address").click()
    page.get_by_role("heading", name="Your address is removed").wait_for()
    assert (Invitation.objects.count(), Suppression.objects.count()) == (0, 1)
    page.get_by_role("link", name="Let people invite me again").click()
    page.get_by_label("E-mail address").fill(FRIEND)
    page.get_by_role("button", name="Mail me the link").click()
    page.get_by_role("heading", name="Look into your mail").wait_for()
    page.goto(mailed("invitation_lift", r"/invitations/proved/\S+"))
    page.get_by_role("button", name="Let people invite me again").click()
    page.get_by_role("heading", name="People can invite you again").wait_for()
    assert Suppression.objects.count() == 0


def test_pages_are_sound_at_both_widths_and_schemes(site: str, page: Page) -> None:
    user = robin(site, page)
    for number in range(2):
        invite(user, f"friend{number}@example.com", now=timezone.now())
        invite(member(first_name="Ann", last_name="Orr"), user.email, now=timezone.now())
    look(page, site + reverse("accounts:invitations"), "invitations")
    page.get_by_label("E-mail address of your friend").fill("a@example.com, b@example.com")
    page.get_by_role("button", name="Invite").click()
    assert barriers(page, "invitations-mistake") == []
    link = mailed("invitation", r"/invitations/[\w-]+/(?=\s)")
    look(page, link, "invitation-signed-in")
    page.context.clear_cookies()
    look(page, link, "invitation")
    look(page, link + "remove/", "invitation-remove")
    page.get_by_role("button", name="Remove my address").click()
    assert barriers(page, "invitation-removed") == []
    look(page, link, "invitation-gone")
    for name in ("remove_address", "lift_removal"):
        look(page, site + reverse(f"accounts:{name}"), f"invitation-{name}")
        page.get_by_label("E-mail address").fill(FRIEND)
        page.get_by_role("button", name="Mail me the link").click()
        assert barriers(page, f"invitation-{name}-asked") == []
    for template in ("invitation_remove", "invitation_lift"):
        look(page, mailed(template, r"/invitations/proved/\S+"), f"{template}-proved")
        page.locator("main form button").click()
        assert barriers(page, f"{template}-done") == []
