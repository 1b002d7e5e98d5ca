"""The door of the API: who gets in, what is said to the others, how often one may call."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import keys
from accounts.bearer import network_of
from accounts.models import ApiKey, User
from audit.log import person
from datamap.models import Subject
from policy.models import PolicyVersion
from tests.factories.accounts import log_in, member
from tests.factories.api import caller, made, with_key

ME = "/api/v1/me/"


@pytest.fixture(autouse=True)
def no_counts() -> None:
    cache.clear()


@pytest.fixture
def user(wecustomers: PolicyVersion) -> User:
    return member()


def test_key_says_what_it_may_do(user: User) -> None:
    found = made(user, "requests:read", "choices:read")
    answer = with_key(found.text).get(ME)
    assert answer.status_code == 200
    assert answer.json() == {
        "name": "Shell",
        "prefix": found.text[:15],
        "scopes": ["choices:read", "requests:read"],
        "created_at": found.key.created_at.isoformat().replace("+00:00", "Z"),
        "expires_at": found.key.expires_at.isoformat().replace("+00:00", "Z"),
        "last_used_on": None,
    }
    assert answer["Cache-Control"] == "private, no-store"


def test_call_costs_one_query_and_one_more_on_the_first_of_a_day(
    user: User, django_assert_num_queries: Any
) -> None:
    program = caller(user)
    with django_assert_num_queries(2):
        program.get(ME)
    with django_assert_num_queries(1):
        program.get(ME)


def test_without_a_key_the_answer_names_the_scheme(user: User, client: Client) -> None:
    log_in(client, user)  # a session is no key
    for address in (ME, "/api/v1/me/choices/", "/api/v1/me/requests/"):
        answer = client.get(address)
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == 'Bearer realm="kept"'
        assert answer.json()["detail"] == "This address wants a key."


def test_every_key_that_opens_nothing_gets_the_same_answer(user: User) -> None:
    now, actor = timezone.now(), person(user.subject_id)
    expired = made(user, name="expired", now=now - timedelta(days=91)).text
    revoked = made(user, name="revoked")
    keys.revoke(user=user, handle=revoked.key.handle, actor=actor, now=now)
    locked = member()
    of_locked = made(locked).text
    Subject.objects.filter(pk=locked.subject_id).update(locked=True)
    unknown = "kept_" + "0" * 10 + "_" + "a" * 43
    answers = []
    for text in (expired, revoked.text, of_locked, unknown, "kept_x", "é", "", "x" * 5000):
        answer = with_key(text).get(ME)
        body = answer.json()
        body.pop("instance")
        answers.append((answer.status_code, answer["WWW-Authenticate"], body))
    assert answers == answers[:1] * len(answers)
    assert answers[0][0] == 401
    assert answers[0][1] == 'Bearer realm="kept", error="invalid_token"'


def test_key_in_the_address_or_another_scheme_is_none(user: User) -> None:
    text = made(user).text
    assert Client().get(f"{ME}?key={text}&access_token={text}").status_code == 401
    for header in (f"Basic {text}", f"Token {text}", text, f"Bearer{text}"):
        assert Client(headers={"authorization": header}).get(ME).status_code == 401
    assert Client(headers={"authorization": f"bearer {text}"}).get(ME).status_code == 200


@pytest.mark.parametrize(
    ("method", "address", "scope"),
    [
        ("get", "/api/v1/me/choices/", "choices:read"),
        ("get", "/api/v1/me/choices/mail/service-news/", "choices:read"),
        ("put", "/api/v1/me/choices/mail/service-news/", "choices:write"),
        ("get", "/api/v1/me/choices/mail/service-news/history/", "choices:read"),
        ("get", "/api/v1/me/requests/", "requests:read"),
        ("post", "/api/v1/me/requests/", "requests:write"),
        ("get", "/api/v1/me/requests/ABCDEFGHJKMN/", "requests:read"),
        ("post", "/api/v1/me/requests/ABCDEFGHJKMN/withdraw/", "requests:write"),
    ],
)
def test_key_does_only_what_it_was_made_for(
    user: User, method: str, address: str, scope: str
) -> None:
    others = {"choices:read", "choices:write", "requests:read", "requests:write"} - {scope}
    answer = caller(user, *others).generic(method.upper(), address)
    assert (answer.status_code, answer.json()["scope"]) == (403, scope)
    assert answer.json()["type"].endswith("/api/docs/#scope-missing")
    cache.clear()
    allowed = caller(member(), scope).generic(method.upper(), address)
    assert allowed.status_code != 401
    assert allowed.json().get("scope") is None


def test_sites_own_key_opens_no_person(wecustomers: PolicyVersion) -> None:
    text, now = "kept_0123456789_" + "a" * 43, timezone.now()
    ApiKey.objects.create(
        name="Site", prefix="0123456789", key_hash=keys.digest(text), created_at=now,
        expires_at=now + timedelta(days=1), scopes=["choices:read", "requests:read"],
    )  # fmt: skip
    program = with_key(text)
    assert program.get(ME).json()["name"] == "Site"
    for address in ("/api/v1/me/choices/", "/api/v1/me/requests/"):
        assert program.get(address).status_code == 403


def test_calls_of_a_key_are_counted(user: User, settings: Any) -> None:
    settings.KEPT_API_CALLS_PER_KEY = 3
    _wait_for_a_young_minute()
    program, other = caller(user), caller(member())
    assert [program.get(ME).status_code for _call in range(5)] == [200, 200, 200, 429, 429]
    refused = program.get(ME)
    assert refused["Content-Type"] == "application/problem+json"
    assert 0 < int(refused["Retry-After"]) <= 60
    assert other.get(ME).status_code == 200
    settings.KEPT_API_CALLS_PER_KEY = 0
    assert program.get(ME).status_code == 200


def test_calls_of_an_address_are_counted_before_the_key_is_looked_at(
    user: User, settings: Any, django_assert_num_queries: Any
) -> None:
    settings.KEPT_API_CALLS_PER_ADDRESS = 2
    _wait_for_a_young_minute()
    guesser = with_key("kept_" + "0" * 10 + "_" + "a" * 43)
    assert [guesser.get(ME).status_code for _call in range(2)] == [401, 401]
    with django_assert_num_queries(0):
        assert guesser.get(ME).status_code == 429
        assert Client().get("/api/v1/policy/").status_code == 429
        assert Client(REMOTE_ADDR="192.0.2.7").get("/api/v1/me/").status_code == 401


def test_one_household_of_ipv6_is_one_caller(wecustomers: PolicyVersion, settings: Any) -> None:
    settings.KEPT_API_CALLS_PER_ADDRESS = 2
    _wait_for_a_young_minute()
    statuses = [
        Client(REMOTE_ADDR=address).get("/api/v1/policy/").status_code
        for address in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:2::2")
    ]
    assert statuses == [200, 200, 429]
    assert Client(REMOTE_ADDR="2001:db8:1:3::1").get("/api/v1/policy/").status_code == 200


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("", "unknown"),
        ("unix:", "unknown"),
    ],
)
def test_network_of_an_address(address: str, network: str) -> None:
    assert network_of(address) == network


def test_log_in_counts_a_household_of_ipv6_once(wecustomers: PolicyVersion, settings: Any) -> None:
    """allauth's limits: twenty log-ins a minute of one /64."""
    statuses = {
        Client(REMOTE_ADDR=f"2001:db8:1:2::{n:x}")
        .post(reverse("account_login"), {"login": "x@example.com", "password": "wrong"})
        .status_code
        for n in range(40)
    }
    assert statuses == {200, 429}


def _wait_for_a_young_minute() -> None:
    """So that the minute does not end in the middle of the test."""
    left = 60 - time.time() % 60
    if left < 5:
        time.sleep(left)
