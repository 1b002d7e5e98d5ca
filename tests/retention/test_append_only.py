"""Append-only rows end through their functions, and in no other way."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from audit import append_only
from audit.append_only import ACCESSES, ENTRIES, EVIDENCE, expire
from audit.log import SYSTEM, record
from audit.models import AuditEntry, StaffAccess, Unsealed
from consent.models import Choice, Event
from policy.models import PolicyVersion
from retention.expiry import EVENTS
from retention.sweep import sweep
from tests.factories.consent import decided, make_subject

pytestmark = pytest.mark.django_db

OLD = timezone.now() - timedelta(days=7 * 366)
YOUNG = timezone.now() - timedelta(days=29)


def entry(at: datetime = OLD) -> AuditEntry:
    return record(
        actor=SYSTEM,
        verb="test.happened",
        now=at,
        subject_id=uuid4(),
        facts={"figure": 1},
    )


def access(at: datetime) -> StaffAccess:
    return StaffAccess.objects.create(
        at=at,
        staff_id=uuid4(),
        role="support",
        permission="requests.view",
        subject_id=uuid4(),
        task="test",
        reason="test",
    )


def test_entry_loses_its_payload_and_keeps_its_leaf(runtime_role: str) -> None:
    written = entry()
    assert expire(ENTRIES, [written.pk]) == 1
    after = AuditEntry.objects.get(pk=written.pk)
    assert bytes(after.leaf) == bytes(written.leaf)
    assert (after.facts, after.subject_id, after.actor_id) == ({"expired": True}, None, None)
    assert (after.verb, after.at) == (written.verb, written.at)
    assert Unsealed.objects.filter(pk=written.pk).exists()


def test_runtime_role_has_no_other_way(runtime_role: str) -> None:
    written = entry()
    with pytest.raises(ProgrammingError), transaction.atomic():
        AuditEntry.objects.filter(pk=written.pk).update(facts={})
    with pytest.raises(ProgrammingError), transaction.atomic():
        StaffAccess.objects.all().delete()
    assert AuditEntry.objects.get(pk=written.pk).facts == {"figure": 1}


def test_function_refuses_young_rows_whatever_the_caller_says(runtime_role: str) -> None:
    old, young = access(OLD), access(YOUNG)
    with pytest.raises(ProgrammingError), transaction.atomic():
        expire(ACCESSES, [old.pk, young.pk])
    assert StaffAccess.objects.count() == 2
    assert expire(ACCESSES, [old.pk]) == 1
    assert list(StaffAccess.objects.values_list("pk", flat=True)) == [young.pk]


def test_trigger_guards_again_after_the_function(runtime_role: str) -> None:
    expire(ACCESSES, [access(OLD).pk])
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
    kept = access(OLD)
    with pytest.raises(ProgrammingError), transaction.atomic():
        StaffAccess.objects.filter(pk=kept.pk).delete()


def test_nobody_else_may_call_the_functions(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regprocedure::text, proacl::text FROM pg_proc"
            " WHERE proname LIKE 'kept\\_expire\\_%%' ORDER BY 1"
        )
        rows = cursor.fetchall()
    assert [name for name, _ in rows] == [
        "kept_expire_audit_auditentry(uuid[])",
        "kept_expire_audit_evidence(uuid[])",
        "kept_expire_audit_staffaccess(uuid[])",
        "kept_expire_consent_event(uuid[])",
    ]
    assert [acl for _, acl in rows if "{=" in acl or ",=" in acl] == []


def test_every_expiry_has_its_function_and_its_floor() -> None:
    assert {e.function for e in append_only.expiries().values()} == {
        ENTRIES.function,
        ACCESSES.function,
        EVENTS.function,
        EVIDENCE.function,
    }
    floors = {e.function: e.floor.days for e in append_only.expiries().values()}
    assert floors.pop(EVIDENCE.function) == 90
    assert set(floors.values()) == {30}


def test_sweep_ends_logs_under_the_runtime_role(
    wecustomers: PolicyVersion, runtime_role: str
) -> None:
    old, young = entry(), entry(YOUNG)
    old_access, young_access = access(OLD), access(YOUNG)
    run = sweep(now=timezone.now())
    assert [s.error for s in run.steps.all() if s.error] == []
    rows = {s.holding: s.rows for s in run.steps.all()}
    # The entry of the publication in 2017 is old enough, too.
    assert (rows["audit.entry"], rows["audit.access"]) == (2, 1)
    assert AuditEntry.objects.get(pk=old.pk).facts == {"expired": True}
    assert AuditEntry.objects.get(pk=young.pk).facts == {"figure": 1}
    assert list(StaffAccess.objects.values_list("pk", flat=True)) == [young_access.pk]
    assert old_access.pk != young_access.pk
    again = {s.holding: s.rows for s in sweep(now=timezone.now()).steps.all()}
    assert (again["audit.entry"], again["audit.access"]) == (0, 0)


def test_decision_that_stands_outlives_every_period(
    wecustomers: PolicyVersion, runtime_role: str
) -> None:
    subject = make_subject()
    first = decided(subject, "given", now=OLD)
    standing = decided(subject, "withdrawn", now=OLD + timedelta(days=1))
    assert expire(EVENTS, [first.pk]) == 1
    assert list(Event.objects.values_list("pk", flat=True)) == [standing.pk]
    assert Choice.objects.get().event_id == standing.pk
