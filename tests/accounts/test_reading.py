"""Staff look people up for an open task only, and people see that they did."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.roles import Role
from audit.models import StaffAccess
from policy.models import PolicyVersion
from requests.models import Request
from tests.factories.accounts import member, prove_second_factor, staff_member
from tests.factories.requests import asked

NOW = datetime(2026, 3, 5, 15, tzinfo=UTC)
FIND, SEEN = "/staff/people/", "/privacy/accesses/"


@pytest.fixture(autouse=True)
def clock() -> Any:
    cache.clear()
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def support(wecustomers: PolicyVersion, client: Client) -> User:
    user = staff_member(Role.SUPPORT, first_name="Kim", last_name="Desk")
    prove_second_factor(client, user)
    return user


def form(user: User, request: Request, **changes: str) -> dict[str, str]:
    return {
        "email": user.email,
        "task": request.name,
        "reason": "They called about it",
        **changes,
    }


def test_a_person_is_found_for_an_open_task_and_sees_it(support: User, client: Client) -> None:
    user = member(first_name="Ada", last_name="Lovelace")
    request = asked(user, now=NOW)
    assert b"Ada" not in client.get(FIND).content
    page = client.post(FIND, form(user, request)).content.decode()
    assert "Ada Lovelace" in page
    assert user.email in page
    row = StaffAccess.objects.get()
    assert (row.staff_id, row.role, row.subject_id) == (support.pk, "support", user.subject_id)
    assert (row.task, row.reason) == (f"request:{request.reference}", "They called about it")
    theirs = Client()
    theirs.force_login(user)
    response = theirs.get(SEEN)
    assert response["Cache-Control"] == "private, no-store"
    text = response.content.decode()
    for words in (
        "Support",
        "They called about it",
        f"A request {request.reference}",
        "5 Mar 2026",
    ):
        assert words in text
    assert "Kim" not in text
    assert support.email not in text


@pytest.mark.parametrize("number", ["lower", "spaces", "plain"])
def test_the_number_of_a_task_may_be_spelled_as_people_do(
    support: User, client: Client, number: str
) -> None:
    user = member()
    request = asked(user, now=NOW)
    spelled = {
        "lower": request.name.lower(),
        "spaces": request.name.replace("-", " "),
        "plain": request.reference,
    }[number]
    assert user.email in client.post(FIND, form(user, request, task=spelled)).content.decode()


def test_without_an_open_task_of_that_person_nobody_is_found(support: User, client: Client) -> None:
    user, other = member(first_name="Ada"), member(first_name="Eve")
    request, theirs = asked(user, now=NOW), asked(other, now=NOW)
    closed = asked(member(email="closed@example.com", first_name="Ada"), now=NOW)
    Request.objects.filter(pk=closed.pk).update(state="withdrawn", closed_at=NOW)
    bodies = set()
    for data in (
        form(user, theirs),
        form(user, request, task="nothing"),
        form(user, request, email="nobody@example.com"),
        form(user, closed, email="closed@example.com"),
    ):
        response = client.post(FIND, data)
        assert list(response.context["form"].errors) == ["task"]
        assert response.context["found"] is None
        body = response.content.decode()
        assert "Ada" not in body
        assert "Example" not in body
        for said in (data["email"], data["task"]):
            body = body.replace(said, "")
        bodies.add(re.sub(r'value="\w{64}"', "", body.partition("<main")[2]))
    assert len(bodies) == 1
    rows = StaffAccess.objects.all()
    assert {(r.subject_id, r.task) for r in rows} == {(None, "search:none")}


def test_known_and_unknown_addresses_cost_the_same(support: User, client: Client) -> None:
    user = member()
    request = asked(user, now=NOW)
    counts: list[int] = []
    client.post(FIND, form(user, request, task="warm"))
    for email in (user.email, "nobody@example.com"):
        with CaptureQueriesContext(connection) as queries:
            client.post(FIND, form(user, request, email=email, task="nothing"))
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", ""),
        ("email", "\x00"),
        ("task", ""),
        ("task", "x" * 100),
        ("task", "a\nb"),
        ("reason", ""),
        ("reason", "   "),
        ("reason", "x" * 300),
        ("reason", "a\u2028b"),
    ],
)
def test_a_reason_and_a_task_are_asked_before(
    support: User, client: Client, field: str, value: str
) -> None:
    user = member(first_name="Ada")
    response = client.post(FIND, form(user, asked(user, now=NOW), **{field: value}))
    assert list(response.context["form"].errors) == [field]
    assert b"Ada" not in response.content
    assert StaffAccess.objects.count() == 0


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.BILLING])
def test_other_roles_find_nobody(wecustomers: PolicyVersion, client: Client, role: Role) -> None:
    user = member()
    prove_second_factor(client, staff_member(role))
    assert client.post(FIND, form(user, asked(user, now=NOW))).status_code == 403


def test_a_closed_request_shows_nobody_after_a_while(wecustomers: PolicyVersion) -> None:
    user = member(email="lovelace@example.com")
    request = asked(user, now=NOW)
    Request.objects.filter(pk=request.pk).update(state="withdrawn", closed_at=NOW)
    reviewer, page = staff_member(Role.REVIEWER), f"/staff/requests/{request.reference}/"

    def opened_after(span: timedelta) -> bytes:
        with time_machine.travel(NOW + span, tick=False):
            response = prove_second_factor(Client(), reviewer).get(page)
        assert response.status_code == 200
        return response.content.partition(b"<main")[2].partition(b"<footer")[0]

    month = timedelta(days=30)
    assert b"@example.com" in opened_after(month - timedelta(seconds=1))
    assert StaffAccess.objects.count() == 1
    later = opened_after(month)
    assert b"@example.com" not in later
    assert b"No longer shown" in later
    assert StaffAccess.objects.count() == 1


def test_people_see_their_own_readings_only(wecustomers: PolicyVersion, client: Client) -> None:
    user, other = member(), member()
    assert client.get(SEEN)["Location"] == f"/accounts/login/?next={SEEN}"
    client.force_login(user)
    assert b"Nobody has" in client.get(SEEN).content
    for person in (user, other):
        for number in range(3):
            StaffAccess.objects.create(
                at=NOW - timedelta(days=number),
                staff_id=other.pk,
                role="reviewer",
                permission="requests.review",
                subject_id=person.subject_id,
                task="request:K7QF2M9X04TB",
                reason=f"reason {number} about {person.email}",
            )
    text = client.get(SEEN).content.decode()
    assert text.count(f"about {user.email}") == 3
    assert other.email not in text
    assert text.index("reason 0") < text.index("reason 1") < text.index("reason 2")


def test_the_page_takes_as_many_queries_for_three_as_for_one(
    wecustomers: PolicyVersion, client: Client
) -> None:
    user = member()
    client.force_login(user)
    counts: list[int] = []
    for _time in range(2):
        for _more in range(1 + 2 * len(counts)):
            StaffAccess.objects.create(
                at=NOW,
                staff_id=user.pk,
                role="support",
                permission="x",
                subject_id=user.subject_id,
                task="report:1",
                reason="r",
            )
        with CaptureQueriesContext(connection) as queries:
            client.get(SEEN)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 5
