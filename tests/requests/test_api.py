"""Requests for programs: followed and taken back by their owner's key, never opened by one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import User
from audit.log import Actor, person
from consent.models import Message
from policy.models import PolicyVersion
from requests import review
from requests.models import Request
from tests.factories.accounts import member, staff_member
from tests.factories.api import caller
from tests.factories.consent import TRANSFER, decided
from tests.factories.requests import approved, asked, erased

ALL = "/api/v1/me/requests/"


@pytest.fixture(autouse=True)
def no_counts() -> None:
    cache.clear()


@pytest.fixture
def user(wecustomers: PolicyVersion) -> User:
    return member()


@pytest.fixture
def program(user: User) -> Client:
    return caller(user, "requests:read", "requests:write")


def test_request_shows_as_on_its_page(user: User, program: Client) -> None:
    request = asked(user, now=timezone.now())
    listed = program.get(ALL).json()
    assert [r["reference"] for r in listed["results"]] == [request.reference]
    one = program.get(f"{ALL}{request.reference}/")
    assert one.json()["request"] == listed["results"][0]
    assert one.json()["request"]["due_at"] == request.due_at.isoformat().replace("+00:00", "Z")
    assert (one.json()["request"]["state"], one.json()["may_withdraw"]) == ("in_review", True)
    assert [step["state"] for step in one.json()["steps"]][:2] == ["done", "done"]
    assert one["Cache-Control"] == "private, no-store"


def test_denial_tells_its_reason(user: User, program: Client) -> None:
    request, reviewer = asked(user), staff_member()
    review.deny(request_id=request.pk, reviewer=reviewer, reason="A court.", now=timezone.now())
    told = program.get(f"{ALL}{request.reference}/").json()
    assert (told["request"]["state"], told["reason"]) == ("denied", "A court.")


def test_other_peoples_requests_do_not_exist(user: User, program: Client) -> None:
    theirs = asked(member())
    assert program.get(ALL).json() == {"results": [], "next": None}
    assert program.get(f"{ALL}{theirs.reference}/").status_code == 404
    assert program.generic("POST", f"{ALL}{theirs.reference}/withdraw/").status_code == 404
    theirs.refresh_from_db()
    assert theirs.state == "in_review"


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        ("deletion", "/privacy/delete/"),
        ("access", "/privacy/data/copy/"),
        ("portability", "/privacy/data/copy/"),
    ],
)
def test_no_key_opens_a_request(user: User, program: Client, kind: str, page: str) -> None:
    answer = program.post(ALL, {"kind": kind}, content_type="application/json")
    assert answer.status_code == 403
    assert answer.json()["url"] == f"http://localhost:8000{page}"
    assert answer.json()["type"].endswith("#on-the-site")
    assert (Request.objects.count(), Message.objects.filter(category="answer").count()) == (0, 0)
    client = Client()
    client.force_login(user)
    assert client.get(page).status_code in (200, 302)


def test_withdrawing_is_as_on_the_site(user: User, program: Client) -> None:
    request = approved(user, staff_member(), now=timezone.now())
    answer = program.generic("POST", f"{ALL}{request.reference}/withdraw/")
    assert answer.status_code == 200
    assert answer.json()["request"]["state"] == "withdrawn"
    request.refresh_from_db()
    assert request.state == "withdrawn"
    assert Message.objects.filter(template="deletion_withdrawn").count() == 1
    again = program.generic("POST", f"{ALL}{request.reference}/withdraw/")
    assert (again.status_code, again.json()["type"].partition("#")[2]) == (409, "too-late")


def test_withdrawing_waits_for_the_transfer(user: User, program: Client) -> None:
    decided(user.subject, "withdrawn", kind="transfer", key=TRANSFER, now=timezone.now())
    request = Request.objects.get(subject=user.subject)
    answer = program.generic("POST", f"{ALL}{request.reference}/withdraw/")
    assert (answer.status_code, answer.json()["type"].partition("#")[2]) == (
        409,
        "transfer-missing",
    )
    assert answer.json()["url"].endswith("/privacy/choices/")
    request.refresh_from_db()
    assert request.state == "in_review"


def test_key_of_an_erased_person_opens_nothing(user: User, program: Client) -> None:
    assert program.get(ALL).status_code == 200
    erased(user, staff_member())
    assert program.get(ALL).status_code == 401


def test_pages_lead_through_all_requests(
    user: User, program: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, references = timezone.now(), []
    for number in range(5):
        # Two arrive at the same instant.
        now = start + timedelta(hours=number // 2)
        request = asked(user, now=now)
        review.withdraw(request_id=request.pk, actor=_me(user), now=now)
        references.append(request.reference)
    monkeypatch.setattr("audit.api.PER_PAGE", 2)
    address, told = ALL, []
    while address:
        page = program.get(address).json()
        told += [each["reference"] for each in page["results"]]
        address = (page["next"] or "").partition("localhost:8000")[2]
    rows = Request.objects.filter(subject=user.subject).order_by("-received_at", "-reference")
    assert told == [r.reference for r in rows]
    assert sorted(told) == sorted(references)


@pytest.mark.parametrize("count", [1, 3])
def test_list_costs_the_same_for_any_number(
    user: User, program: Client, count: int, django_assert_num_queries: Any
) -> None:
    for number in range(count):
        now = timezone.now() + timedelta(hours=number)
        review.withdraw(request_id=asked(user, now=now).pk, actor=_me(user), now=now)
    program.get(ALL)
    with django_assert_num_queries(2):
        assert len(program.get(ALL).json()["results"]) == count


def _me(user: User) -> Actor:
    return person(user.subject_id)
