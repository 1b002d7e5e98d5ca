"""A child's data, enforced wrongly in many ways; the control retention.children sees it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import age
from accounts.age import learn_birth_date
from accounts.models import User
from audit.log import SYSTEM
from audit.models import AuditEntry, Unsealed
from datamap.models import Subject
from policy.models import PolicyVersion
from retention import child_controls, children, erase
from retention.child_controls import children_locked_and_gone, traces
from retention.models import ChildCase, Tombstone
from tests.factories.policy import publish_file
from tests.factories.retention import NOW, make_person, make_sessions

pytestmark = pytest.mark.django_db


@pytest.fixture
def site(db: None) -> PolicyVersion:
    return publish_file(now=NOW - timedelta(days=365))


def learn(user: User, *, now: datetime = NOW, **more: Any) -> ChildCase:
    learn_birth_date(
        subject=user.subject,
        born_on=date(2016, 5, 5),
        source="other",
        actor=SYSTEM,
        now=now,
        **more,
    )
    return ChildCase.objects.get(subject=user.subject)


def erased(case: ChildCase) -> datetime:
    """The case taken to its end; a day later."""
    children.erase_due(now=case.contest_until)
    erase.work(now=case.contest_until)
    case.refresh_from_db()
    assert case.state == "erased"
    return case.contest_until + timedelta(days=1)


def violations(now: datetime = NOW) -> list[str]:
    return [v.partition(":")[0] for v in children_locked_and_gone(now).violations]


def raw(statement: str, *params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(statement, params or None)


def test_violation_arrival_moved_to_hide_a_late_lock(site: PolicyVersion) -> None:
    case = learn(make_person("kim"), arrived_at=NOW - timedelta(hours=30))
    ChildCase.objects.filter(pk=case.pk).update(arrived_at=NOW - timedelta(hours=1))
    assert violations() == ["arrival moved", "locked late"]


def test_violation_locked_later_than_the_case_says(site: PolicyVersion) -> None:
    case = learn(make_person("kim"), arrived_at=NOW - timedelta(hours=30))
    ChildCase.objects.filter(pk=case.pk).update(locked_at=NOW - timedelta(hours=29))
    assert violations() == ["locked late"]


def test_violation_case_of_which_the_log_knows_nothing(site: PolicyVersion) -> None:
    case = learn(make_person("kim"))
    Unsealed.objects.all().delete()
    raw("ALTER TABLE audit_auditentry DISABLE TRIGGER USER")
    raw("DELETE FROM audit_auditentry WHERE verb = 'accounts.child-learned'")
    assert children_locked_and_gone(NOW).violations == (f"not in the log:{case.pk}",)


def test_violation_learned_moved_to_win_time(site: PolicyVersion) -> None:
    case = learn(make_person("kim"))
    ChildCase.objects.filter(pk=case.pk).update(learned_at=NOW + timedelta(days=90))
    assert violations() == ["not in the log", "locked late"]


def test_violation_session_not_ended(site: PolicyVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(age, "end_all", lambda **kwargs: 0)
    user = make_person("kim")
    learn(user)
    finding = children_locked_and_gone(NOW)
    assert finding.violations == (f"still logged in:{user.subject_id}",)


def test_violation_new_session_of_a_locked_child(site: PolicyVersion) -> None:
    user = make_person("kim")
    learn(user)
    make_sessions(user, count=1, expire=NOW - timedelta(seconds=1))
    assert violations() == []
    make_sessions(user, count=2, expire=NOW + timedelta(hours=1))
    assert violations() == ["still logged in"]


def test_second_report_joins_the_case_with_its_own_arrival(site: PolicyVersion) -> None:
    user = make_person("kim")
    learn(user)
    learn(user, now=NOW + timedelta(hours=1), arrived_at=NOW - timedelta(hours=2))
    assert violations(NOW + timedelta(hours=2)) == []


def test_kept_after_the_whole_way(site: PolicyVersion) -> None:
    later = erased(learn(make_person("kim")))
    finding = children_locked_and_gone(later)
    assert (finding.violations, finding.figures["searched_people"]) == ((), 1)


def test_violation_closed_with_a_date_but_no_erasure(site: PolicyVersion) -> None:
    case = learn(make_person("kim"))
    Subject.objects.filter(pk=case.subject_id).update(erased_at=NOW)
    ChildCase.objects.filter(pk=case.pk).update(state="erased", closed_at=NOW)
    found = violations()
    assert "erased without a proof" in found
    assert "found in accounts_user" in found


def test_violation_erasure_dated_back(site: PolicyVersion) -> None:
    case = learn(make_person("kim"))
    late = case.erase_by + timedelta(hours=1)
    children.erase_due(now=late)
    erase.work(now=late)
    Subject.objects.filter(pk=case.subject_id).update(erased_at=case.erase_by)
    assert violations(late) == ["erased late"]


def test_violation_tombstone_missing(site: PolicyVersion) -> None:
    later = erased(learn(make_person("kim")))
    Tombstone.objects.all().delete()
    assert violations(later) == ["erased without a proof"]


def _as_uuid(person: Any) -> None:
    raw("CREATE TABLE left_behind (who uuid, n int)")
    raw("INSERT INTO left_behind VALUES (%s, 1)", person)


def _as_text(person: Any) -> None:
    raw("CREATE TABLE left_behind (n int, note text)")
    raw("INSERT INTO left_behind VALUES (1, %s)", f"about {person}.")


def _as_json(person: Any) -> None:
    raw("CREATE TABLE left_behind (facts jsonb)")
    raw("INSERT INTO left_behind VALUES (jsonb_build_object('a', array[%s::text]))", person.hex)


def _in_a_list(person: Any) -> None:
    raw("CREATE TABLE left_behind (people uuid[])")
    raw("INSERT INTO left_behind VALUES (array[%s::uuid])", person)


def _in_bytes(person: Any) -> None:
    raw("CREATE TABLE left_behind (blob bytea)")
    raw("INSERT INTO left_behind VALUES (%s), (%s)", b"x" + person.bytes, b"x")


def _as_text_in_bytes(person: Any) -> None:
    raw("CREATE TABLE left_behind (blob bytea)")
    raw("INSERT INTO left_behind VALUES (%s)", f"id={person}".encode())


@pytest.mark.parametrize(
    "deed", [_as_uuid, _as_text, _as_json, _in_a_list, _in_bytes, _as_text_in_bytes]
)
def test_violation_left_in_a_table_nobody_declared(
    site: PolicyVersion, deed: Callable[[Any], None]
) -> None:
    case = learn(make_person("kim"))
    later = erased(case)
    deed(case.subject_id)
    assert children_locked_and_gone(later).violations == ("found in left_behind",)


def test_violation_row_said_to_be_anonymous_that_is_not(site: PolicyVersion) -> None:
    case = learn(make_person("kim"))
    later = erased(case)
    ChildCase.objects.filter(pk=case.pk).update(statement=b"sealed")
    assert violations(later) == ["found in retention_childcase (not anonymous)"]


def test_search_ends_after_thirty_days(site: PolicyVersion) -> None:
    case = learn(make_person("kim"))
    later = erased(case)
    assert children_locked_and_gone(later).figures["searched_people"] == 1
    over = case.contest_until + child_controls.SEARCHED + timedelta(hours=1)
    assert children_locked_and_gone(over).figures["searched_people"] == 0


def test_search_goes_through_a_table_in_stretches(
    site: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_controls, "PAGES", 2)
    person = make_person("kim").subject_id
    raw("CREATE TABLE left_behind (note text)")
    raw("INSERT INTO left_behind SELECT repeat(n::text, 100) FROM generate_series(1000, 1500) n")
    raw("INSERT INTO left_behind VALUES (%s)", str(person))
    raw("ANALYZE left_behind")
    assert "left_behind" in traces([person])
    raw("DELETE FROM left_behind WHERE note = %s", str(person))
    assert "left_behind" not in traces([person])


def test_queries_do_not_grow_with_the_cases(site: PolicyVersion) -> None:
    counts = []
    for names in (["a1"], ["b1", "b2"]):
        for name in names:
            learn(make_person(name))
        with CaptureQueriesContext(connection) as counted:
            children_locked_and_gone(NOW)
        counts.append(len(counted))
    assert counts[0] == counts[1]
    assert AuditEntry.objects.filter(verb="accounts.child-learned").count() == 3
