"""Inviting with a key to the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Invitation, Suppression, User
from accounts.suppressions import remove_address
from audit.log import VISITOR
from consent.models import Event, Message
from datamap.models import Subject
from policy.models import PolicyVersion
from tests.factories.accounts import member
from tests.factories.api import caller, made
from tests.factories.invitations import FRIEND, invite

HERE = "/api/v1/me/invitations/"


@pytest.fixture(autouse=True)
def no_counts() -> None:
    cache.clear()


@pytest.fixture
def robin(wecustomers: PolicyVersion) -> User:
    return member()


def post(client: Client, body: Any) -> Any:
    return client.post(HERE, body, content_type="application/json")


def test_key_invites_and_reads_counts(robin: User) -> None:
    program = caller(robin)
    today = timezone.now().astimezone(PolicyVersion.objects.get().document.zone).date().isoformat()
    told = {"left_today": 9, "days": [{"day": today, "made": 1, "accepted": 0}]}
    answer = post(program, {"email": FRIEND})
    assert (answer.status_code, answer.json()) == (202, told)
    assert program.get(HERE).json() == told
    assert Message.objects.filter(category="invitation").count() == 1
    event = Event.objects.get(kind="collection", key="invitation")
    assert (event.channel, event.evidence.split(":")[0]) == ("api", "accounts.apikey")


def test_every_address_is_answered_alike(robin: User) -> None:
    program = caller(robin)
    invite(member(), "taken@example.com")
    remove_address(
        address="gone@example.com",
        basis=Suppression.Basis.FORM,
        actor=VISITOR,
        now=timezone.now(),
    )
    post(program, {"email": "first@example.com"})
    seen = []
    for address in (FRIEND, "taken@example.com", "gone@example.com", member().email):
        with CaptureQueriesContext(connection) as queries:
            answer = post(program, {"email": address})
        body = answer.json()
        seen.append((answer.status_code, tuple(sorted(body)), len(body["days"]), len(queries)))
    assert len(set(seen)) == 1, seen


@pytest.mark.parametrize(
    ("email", "status"),
    [
        ("a@example.com, b@example.com", 400),
        ('"a, b"@example.com', 400),
        ("x@example.com\nBcc: y@example.com", 400),
        ("", 400),
        (7, 400),
        (["a@example.com", "b@example.com"], 400),
        ("a" * 321, 400),
    ],
)
def test_anything_but_one_address_is_refused_by_its_name(
    robin: User, email: Any, status: int
) -> None:
    answer = post(caller(robin), {"email": email})
    assert answer.status_code == status
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/email"]
    assert Invitation.objects.count() == 0


def test_own_address_is_refused(robin: User) -> None:
    answer = post(caller(robin), {"email": robin.email})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["detail"] == "This is the person's own address."


def test_full_day_name_and_lock_are_told_apart(robin: User) -> None:
    program = caller(robin)
    for number in range(10):
        invite(robin, f"f{number}@example.com", now=timezone.now())
    answer = post(program, {"email": FRIEND}).json()
    assert (answer["type"].rpartition("/")[2].rpartition("#")[2], answer["most"]) == (
        "invitations-used-up",
        10,
    )
    nameless = member()
    User.objects.filter(pk=nameless.pk).update(first_name="", last_name="")
    assert "no-name" in post(caller(nameless), {"email": FRIEND}).json()["type"]
    restricted = member()
    Subject.objects.filter(pk=restricted.subject_id).update(restricted=True)
    refused = post(caller(restricted), {"email": FRIEND}).json()
    assert "account-restricted" in refused["type"]


@pytest.mark.parametrize("method", ["get", "post"])
def test_scopes_are_asked_for(robin: User, method: str) -> None:
    other = {"get": "invitations:write", "post": "invitations:read"}[method]
    program = caller(robin, other)
    answer = post(program, {"email": FRIEND}) if method == "post" else program.get(HERE)
    assert answer.status_code == 403
    assert Client().get(HERE).status_code == 401


def test_policy_without_invitations_says_so(policy_of: Callable[[str], PolicyVersion]) -> None:
    policy_of("weapp")
    user = member(now=timezone.now())
    program = caller(user)
    for answer in (program.get(HERE), post(program, {"email": FRIEND})):
        assert answer.status_code == 404
        assert answer.json()["detail"] == "The policy in force has no invitations."
        assert "not-in-policy" in answer.json()["type"]
    assert made(user, "choices:read", name="x").text
