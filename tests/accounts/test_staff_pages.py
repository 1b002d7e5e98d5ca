"""The team: who has which role, training written down, a role taken away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import StaffMember, Training, User
from accounts.roles import Role
from accounts.staff import handle_of
from audit.models import AuditEntry
from policy.models import PolicyVersion
from tests.factories.accounts import bind, prove_second_factor, staff_member

NOW = datetime(2026, 3, 5, 15, tzinfo=UTC)
TEAM = "/staff/team/"


@pytest.fixture(autouse=True)
def clock() -> Any:
    cache.clear()
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def admin(wecustomers: PolicyVersion, client: Client) -> User:
    user = staff_member(Role.PRIVACY_ADMIN, first_name="Kim", last_name="Lee")
    prove_second_factor(client, user)
    return user


def test_the_team_is_shown_with_what_is_missing(admin: User, client: Client) -> None:
    fresh = staff_member(Role.SUPPORT, duties=False, first_name="Ada", last_name="New")
    ending = staff_member(Role.BILLING, duties=False, first_name="Eve", last_name="Old")
    bind(ending, now=NOW, until=NOW + timedelta(days=20))
    text = client.get(TEAM).content.decode()
    for words in ("Kim Lee", "Ada New", "Eve Old", "missing", "until 25 Mar 2026"):
        assert words in text
    assert f"{TEAM}{handle_of(fresh.pk)}/" in text
    auditor = prove_second_factor(Client(), staff_member(Role.AUDITOR))
    page = auditor.get(TEAM).content.decode()
    assert "Ada New" in page
    assert handle_of(fresh.pk) not in page


def test_the_team_takes_as_many_queries_for_three_as_for_one(admin: User, client: Client) -> None:
    counts = []
    for _time in range(2):
        with CaptureQueriesContext(connection) as queries:
            client.get(TEAM)
        counts.append(len(queries))
        for _more in range(2):
            staff_member(Role.SUPPORT)
    assert counts[0] == counts[1] <= 8


def test_training_is_written_down_by_somebody_else(
    admin: User, client: Client, wecustomers: PolicyVersion
) -> None:
    user = staff_member(Role.SUPPORT, duties=False)
    page = f"{TEAM}{handle_of(user.pk)}/"
    form = {"course": "Data protection", "done_on": "2026-02-27"}
    assert client.post(page, form)["Location"] == TEAM
    trained = Training.objects.get(user=user)
    zone = wecustomers.document.zone
    assert (trained.course, trained.recorded_by) == ("Data protection", admin.pk)
    assert trained.done_at == datetime(2026, 2, 27, tzinfo=zone)
    assert trained.ends_at == datetime(2027, 2, 27, tzinfo=zone)
    entry = AuditEntry.objects.get(verb="accounts.training-recorded", actor_id=admin.pk)
    assert (entry.actor_kind, entry.subject_id) == ("staff", user.subject_id)
    assert "Data protection" not in str(entry.facts)


def test_nobody_writes_down_their_own_on_the_page(admin: User, client: Client) -> None:
    before = Training.objects.count()
    page = f"{TEAM}{handle_of(admin.pk)}/"
    assert b"This is you" in client.get(page).content
    client.post(page, {"course": "Data protection", "done_on": "2026-02-27"})
    assert Training.objects.count() == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("course", ""),
        ("course", "x" * 200),
        ("course", "a\nb"),
        ("done_on", "2026-03-06"),
        ("done_on", "2024-01-01"),
        ("done_on", "yesterday"),
        ("done_on", "0001-01-01"),
    ],
)
def test_bad_training_names_its_field(admin: User, client: Client, field: str, value: str) -> None:
    user = staff_member(Role.SUPPORT, duties=False)
    form = {"course": "Data protection", "done_on": "2026-02-27", field: value}
    response = client.post(f"{TEAM}{handle_of(user.pk)}/", form)
    assert list(response.context["form"].errors) == [field]
    assert not Training.objects.filter(user=user).exists()


def test_a_role_is_taken_away_on_the_page(admin: User, client: Client) -> None:
    user = staff_member(Role.SUPPORT)
    theirs = prove_second_factor(Client(), user)
    page = f"{TEAM}{handle_of(user.pk)}/dismiss/"
    assert client.post(page)["Location"] == TEAM
    assert not StaffMember.objects.filter(user=user).exists()
    assert theirs.get("/staff/")["Location"] == "/accounts/login/?next=/staff/"
    assert client.post(page).status_code == 404
    client.post(f"{TEAM}{handle_of(admin.pk)}/dismiss/")
    assert StaffMember.objects.filter(user=admin).exists()


@pytest.mark.parametrize("handle", ["x", "0" * 32, "x" * 300])
def test_unknown_handles_are_not_found(admin: User, client: Client, handle: str) -> None:
    assert client.get(f"{TEAM}{handle}/").status_code == 404
    assert client.post(f"{TEAM}{handle}/dismiss/").status_code == 404
