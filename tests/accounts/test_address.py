"""Changing one's address: the new one proves itself first, the old one is told, nobody learns."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from consent import mail
from consent.letter import Letter
from consent.models import Message
from datamap.models import Subject
from policy.models import PolicyVersion
from tests.factories.accounts import PASSWORD, member, reauthenticated

NEW = "new@example.com"
PAGE = "/accounts/email/"


@pytest.fixture(autouse=True)
def fresh_rate_limits() -> None:
    cache.clear()


@pytest.fixture
def ada(wecustomers: PolicyVersion) -> User:
    return member(email="old@example.com")


@pytest.fixture
def browser(client: Client, ada: User) -> Client:
    return reauthenticated(client, ada)


def ask(browser: Client, email: str = NEW) -> Any:
    return browser.post(reverse("account_email"), {"email": email, "action_add": ""})


def link() -> str:
    message = Message.objects.filter(template="account_email_confirmation").latest("posted_at")
    found = re.search(r"https?://[^/\s]+(/\S+/confirm-email/\S+)", mail.text_of(message))
    assert found is not None
    return found[1]


def recipients() -> list[tuple[str, str]]:
    """Template and recipient of each mail, in order."""
    found = []
    for message in Message.objects.order_by("posted_at", "pk"):
        assert message.sealed is not None
        letter = Letter.unseal(bytes(message.sealed))
        found.append((message.template, letter.recipient))
    return found


def addresses(user: User) -> list[str]:
    """User, subject and allauth's table, which must agree."""
    return [
        User.objects.get(pk=user.pk).email,
        str(Subject.objects.get(pk=user.subject_id).email),
        *EmailAddress.objects.filter(user=user, verified=True).values_list("email", flat=True),
    ]


def test_the_new_address_counts_once_it_is_proved_and_the_old_one_is_told(
    browser: Client, ada: User
) -> None:
    Message.objects.all().delete()
    assert ask(browser, " New@Example.com").status_code == 302
    assert addresses(ada) == ["old@example.com"] * 3
    assert f"{NEW} is waiting for you" in browser.get(PAGE).content.decode()
    browser.post(link())
    assert addresses(ada) == [NEW] * 3
    assert recipients() == [
        ("account_email_confirmation", NEW),
        ("account_email_changed", "old@example.com"),
    ]
    told = mail.text_of(Message.objects.get(template="account_email_changed"))
    assert NEW not in told
    assert EmailAddress.objects.filter(user=ada).count() == 1


def test_one_signs_in_with_the_new_address_and_no_longer_with_the_old(
    browser: Client, ada: User
) -> None:
    ask(browser)
    browser.post(link())
    for email, status in ((NEW, 302), ("old@example.com", 200)):
        form = {"login": email, "password": PASSWORD}
        assert Client().post(reverse("account_login"), form).status_code == status


def test_looking_at_the_link_changes_nothing(browser: Client, ada: User) -> None:
    ask(browser)
    assert Client().get(link()).status_code == 200
    assert addresses(ada) == ["old@example.com"] * 3


def test_the_link_works_once(browser: Client, ada: User) -> None:
    ask(browser)
    path = link()
    browser.post(path)
    ask(browser, "third@example.com")
    browser.post(link())
    Message.objects.all().delete()
    Client().post(path)
    assert addresses(ada) == ["third@example.com"] * 3
    assert Message.objects.count() == 0


def test_asking_needs_the_password_again(client: Client, ada: User) -> None:
    client.force_login(ada)
    response = ask(client)
    assert response["Location"].startswith(reverse("account_reauthenticate"))
    assert not EmailAddress.objects.filter(email=NEW).exists()


def test_a_taken_address_is_not_told_apart_from_a_free_one(
    wecustomers: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    member(email="known@example.com")
    member(email="fresh@example.com", confirmed=False)
    seen = []
    for email in ("known@example.com", "fresh@example.com", "nobody@example.com"):
        browser = reauthenticated(Client(), member())
        Message.objects.all().delete()
        with CaptureQueriesContext(connection) as asked:
            response = ask(browser, email)
        page = browser.get(PAGE).content.decode().replace(email, "EMAIL")
        page = re.sub(r'value="[A-Za-z0-9]{64}"|person\d+', "", page)
        seen.append((response.status_code, len(asked), page, Message.objects.count()))
    assert seen[0][3] == 1
    assert seen[1:] == [seen[0]] * 2


def test_a_taken_address_stays_its_owners(browser: Client, ada: User) -> None:
    owner = member(email="known@example.com")
    ask(browser, "known@example.com")
    browser.post(link())
    assert addresses(owner) == ["known@example.com"] * 3
    assert addresses(ada) == ["old@example.com"] * 3


@pytest.mark.parametrize(
    "email",
    [
        "",
        "nonsense",
        "a@b@c",
        "x" * 400 + "@example.com",
        "a\nBcc: b@example.com",
        "old@example.com",
    ],
)
def test_what_is_no_new_address_is_refused_by_name(browser: Client, ada: User, email: str) -> None:
    Message.objects.all().delete()
    response = ask(browser, email)
    assert response.status_code == 200
    assert "E-mail address</a>" in response.content.decode()
    assert Message.objects.count() == 0
    assert EmailAddress.objects.filter(user=ada).count() == 1


def test_the_first_proof_of_an_address_tells_no_old_one(wecustomers: PolicyVersion) -> None:
    member()
    assert not Message.objects.filter(template="account_email_changed").exists()
