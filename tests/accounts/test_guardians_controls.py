"""What is promised about parents, broken on purpose; the checks of WC-14 and WC-15 report it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import guardians
from accounts.controls import age
from accounts.models import AgeVerdict, Guardianship, User
from audit.models import AuditEntry, Unsealed
from consent.models import Event
from datamap.models import Subject
from policy.models import PolicyVersion
from retention import children, erase
from retention.child_controls import children_locked_and_gone
from retention.models import ChildCase
from tests.factories.guardians import WORDS, agreed, asked, case_of, locked_child, verified
from tests.factories.retention import NOW, make_person

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def fresh_rate_limits() -> None:
    cache.clear()


@pytest.fixture
def child(wecustomers: PolicyVersion) -> User:
    return locked_child(now=NOW)


@pytest.fixture
def reviewer(wecustomers: PolicyVersion) -> User:
    return make_person("rita", now=NOW - timedelta(days=3))


def found(now: Any = NOW) -> list[str]:
    return [v.partition(":")[0] for v in children_locked_and_gone(now).violations]


def raw(statement: str, *params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(statement, params or None)


def forget_in_log(verb: str) -> None:
    Unsealed.objects.all().delete()
    raw("ALTER TABLE audit_auditentry DISABLE TRIGGER USER")
    raw("DELETE FROM audit_auditentry WHERE verb = %s", verb)


def test_kept_from_the_question_to_the_end(child: User, reviewer: User) -> None:
    assert found() == []
    asked(child, now=NOW)
    assert found() == []
    until = Guardianship.objects.get().answer_until
    assert until is not None
    assert found(until - DAY) == []
    row = guardians.agree(
        guardianship_id=Guardianship.objects.get().pk,
        method="form",
        contact="",
        disclosure=True,
        shown=WORDS,
        now=until - DAY,
    )
    assert row.answer_until is not None
    assert found(row.answer_until - DAY) == []
    later = row.answer_until - DAY
    children.verify_parental_consent(
        case_id=case_of(child).pk, method="form", reason="Form", decider=reviewer, now=later
    )
    assert found(later) == []
    assert age.age_screen(later).violations == ()
    assert age.minors_advice(later).violations == ()
    guardians.withdraw(guardianship_id=row.pk, erase=False, now=later + DAY)
    assert found(later + DAY) == []
    end = case_of(child).contest_until
    children.erase_due(now=end)
    erase.work(now=end)
    assert found(end + DAY) == []


def _no_verification(row: Guardianship) -> None:
    forget_in_log(guardians.VERIFIED)


def _no_yes(row: Guardianship) -> None:
    forget_in_log(guardians.AGREED)


def _verified_by_the_parent(row: Guardianship) -> None:
    parent = make_person("parent-staff")
    User.objects.filter(pk=parent.pk).update(subject_id=row.guardian_id)
    Guardianship.objects.filter(pk=row.pk).update(verified_by=parent.pk)
    raw("ALTER TABLE audit_auditentry DISABLE TRIGGER USER")
    raw("UPDATE audit_auditentry SET actor_id = %s WHERE verb = %s", parent.pk, guardians.VERIFIED)


def _dated_back(row: Guardianship) -> None:
    Guardianship.objects.filter(pk=row.pk).update(agreed_at=NOW - DAY)


@pytest.mark.parametrize(
    "breach",
    [_no_verification, _no_yes, _verified_by_the_parent, _dated_back],
)
def test_violation_consent_that_the_log_does_not_confirm(
    child: User, reviewer: User, breach: Callable[[Guardianship], None]
) -> None:
    row = verified(child, reviewer, now=NOW)
    assert age.age_screen(NOW).violations == ()
    breach(row)
    assert {"not locked", "consent not in the log"} <= set(found())
    assert str(child.pk) in age.age_screen(NOW).violations


def test_violation_released_without_a_parent(child: User, reviewer: User) -> None:
    ChildCase.objects.filter(subject=child.subject).update(
        state="released",
        ground="parent",
        decided_by=reviewer.pk,
        decided_at=NOW,
        closed_at=NOW,
    )
    Subject.objects.filter(pk=child.subject_id).update(locked=False)
    assert sorted(found()) == ["not locked", "released without a parent"]


def test_violation_address_kept_without_an_answer(child: User) -> None:
    row = asked(child, now=NOW)
    assert row.answer_until is not None
    late = row.answer_until + timedelta(hours=2)
    children.contest(case_id=case_of(child).pk, statement="I am 36.", now=NOW)
    assert "kept without an answer" in found(late)
    guardians.end_due(now=late)
    assert "kept without an answer" not in found(late)


def test_violation_time_to_answer_made_longer(child: User) -> None:
    row = asked(child, now=NOW)
    assert row.answer_until is not None
    Guardianship.objects.update(answer_until=row.answer_until + DAY)
    assert found() == ["kept without an answer"]


def test_violation_question_dated_anew(child: User) -> None:
    asked(child, now=NOW)
    Guardianship.objects.update(asked_at=NOW + DAY, answer_until=NOW + 20 * DAY)
    assert found() == ["question not in the log"]


def test_violation_window_that_waits_for_nobody(child: User) -> None:
    case = case_of(child)
    late = case.contest_until + timedelta(days=4)
    assert found(late) == ["erased late"]


def test_window_waits_for_a_parent_no_longer_than_the_policy_says(child: User) -> None:
    row = agreed(child, now=NOW + DAY)
    assert row.answer_until is not None
    limit = case_of(child).erase_by
    guardians.end_due(now=row.answer_until)
    assert found(limit) == []
    assert found(limit + timedelta(seconds=1)) == ["erased late"]


def test_violation_parent_said_no_and_nobody_was_locked(
    child: User, reviewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = verified(child, reviewer, now=NOW)
    monkeypatch.setattr(guardians, "report_child", lambda **kwargs: None)
    guardians.withdraw(guardianship_id=row.pk, erase=False, now=NOW + DAY)
    assert sorted(found(NOW + DAY)) == ["not locked", "not locked after a no"]


def test_violation_papers_kept(child: User, reviewer: User) -> None:
    row = verified(child, reviewer, now=NOW)
    raw("ALTER TABLE accounts_guardianship DROP CONSTRAINT accounts_guardian_verified_by_somebody")
    Guardianship.objects.filter(pk=row.pk).update(contact=b"sealed")
    assert found() == ["papers kept"]


def test_violation_child_of_a_parent_never_advised(child: User, reviewer: User) -> None:
    verified(child, reviewer, now=NOW + DAY)
    assert age.minors_advice(NOW + DAY).violations == ()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE consent_event DISABLE TRIGGER USER")
    Event.objects.filter(key="minors-advice").update(at=NOW + 2 * DAY)
    assert age.minors_advice(NOW + DAY).violations == (str(child.pk),)


def test_a_child_with_consent_who_grew_past_the_limit_is_no_violation(reviewer: User) -> None:
    child = locked_child("teo", now=NOW, born_year=2013)
    verified(child, reviewer, now=NOW)
    grown = NOW + timedelta(days=100)
    guardians.end_due(now=grown)
    assert found(grown) == []
    assert age.age_screen(grown).violations == ()
    assert age.minors_advice(grown).violations == ()
    assert AgeVerdict.objects.get(subject=child.subject).born_on == date(2013, 5, 5)


def test_queries_do_not_grow_with_the_children(wecustomers: PolicyVersion) -> None:
    counts = []
    for names in (["a1"], ["b1", "b2"]):
        for name in names:
            asked(locked_child(name, now=NOW), now=NOW)
        with CaptureQueriesContext(connection) as counted:
            children_locked_and_gone(NOW)
        counts.append(len(counted))
    assert counts[0] == counts[1]
    assert AuditEntry.objects.filter(verb=guardians.ASKED).count() == 3
