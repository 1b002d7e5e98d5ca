"""Security keys in a real browser, whose authenticator is virtual, under the strict policy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from playwright.sync_api import CDPSession, Page

from accounts.models import User
from accounts.roles import Role
from consent.models import Message
from tests.factories.accounts import PASSWORD, member, reauthenticated, staff_member
from tests.factories.policy import publish_file
from tests.plugins.looking import carry, listen, look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def site(live_server: Any, settings: Any) -> str:
    settings.SITE_URL = live_server.url
    cache.clear()
    publish_file()
    return str(live_server.url)


@pytest.fixture
def key(page: Page) -> Iterator[CDPSession]:
    """A security key in the browser's only slot, whose owner always touches it."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "usb",
                "hasResidentKey": False,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    yield session
    session.detach()


def add_key(page: Page, site: str, name: str) -> None:
    page.goto(site + reverse("mfa_add_webauthn"))
    page.get_by_label("Name of the key").fill(name)
    page.get_by_role("button", name="Add the key").click()
    page.wait_for_url(re.compile("/2fa/(recovery-codes/)?$"))


def sign_in(page: Page, site: str, user: User) -> None:
    page.context.clear_cookies()
    page.goto(site + reverse("account_login"))
    page.get_by_label("E-mail address").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main form button").first.click()


def test_a_key_opens_the_account_after_the_password(site: str, page: Page, key: CDPSession) -> None:
    user = member()
    heard = listen(page, site)
    carry(page, reauthenticated(Client(), user), site)
    look(page, site + reverse("mfa_add_webauthn"), "add-key")
    add_key(page, site, "Blue key")
    added = Authenticator.objects.get(user=user, type="webauthn")
    assert added.wrap().name == "Blue key"
    assert Message.objects.filter(template="account_webauthn_added").count() == 1
    look(page, site + reverse("mfa_list_webauthn"), "keys")
    look(page, site + reverse("mfa_index"), "second-step")

    sign_in(page, site, user)
    page.wait_for_url(re.compile("/2fa/authenticate/"))
    look(page, page.url, "second-step-by-key")
    page.get_by_role("button", name="Use a security key instead").click()
    page.wait_for_url(re.compile("/privacy/$"))
    added.refresh_from_db()
    assert added.last_used_at is not None
    assert heard == []


def test_staff_pages_open_to_a_key_alone(site: str, page: Page, key: CDPSession) -> None:
    """Instead of an authenticator app: the second factor is whichever of them the person has."""
    user = staff_member(Role.AUDITOR, totp=False)
    carry(page, reauthenticated(Client(), user), site)
    add_key(page, site, "Desk key")
    sign_in(page, site, user)
    page.get_by_role("button", name="Use a security key instead").click()
    page.wait_for_url(re.compile("/staff/$"))
    assert page.goto(site + reverse("retention:sweeps")) is not None
    assert page.url == site + reverse("retention:sweeps")


def test_key_that_does_not_answer_is_said_on_the_page(site: str, page: Page) -> None:
    """Without a key the browser refuses; the code of the app still works."""
    carry(page, reauthenticated(Client(), member()), site)
    page.goto(site + reverse("mfa_add_webauthn"))
    page.evaluate("() => { navigator.credentials.create = () => Promise.reject(Error('no')) }")
    page.get_by_role("button", name="Add the key").click()
    page.get_by_role("alert").filter(has_text="did not answer").wait_for()
    assert not Authenticator.objects.exists()


def test_keys_are_renamed_and_removed(site: str, page: Page, key: CDPSession) -> None:
    user = member()
    carry(page, reauthenticated(Client(), user), site)
    add_key(page, site, "Blue key")
    page.goto(site + reverse("mfa_list_webauthn"))
    page.get_by_role("link", name="Rename").click()
    look(page, page.url, "rename-key")
    page.get_by_label("Name of the key").fill("Green key")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="Green key").wait_for()
    page.get_by_role("link", name="Remove").click()
    look(page, page.url, "remove-key")
    page.get_by_role("button", name="Remove it").click()
    page.get_by_text("No key yet").wait_for()
    assert not Authenticator.objects.filter(user=user).exists()
    assert Message.objects.filter(template="account_webauthn_removed").count() == 1
