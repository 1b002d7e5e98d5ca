"""Entries: written with their cause, in a form whose digest never changes, for ever."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pgtrigger
import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError

from audit.log import SYSTEM, VISITOR, canonical, leaf, person, record, record_many, staff
from audit.models import AuditEntry, Evidence, StaffAccess, Unsealed
from datamap.models import Subject

NOW = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
ID = uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057")
OTHER = uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8058")


def entry(**values: Any) -> AuditEntry:
    return AuditEntry(
        **{
            "id": ID,
            "at": NOW,
            "actor_kind": "staff",
            "actor_id": OTHER,
            "verb": "requests.approved",
            "object_type": "requests.request",
            "object_id": "7",
            "subject_id": ID,
            "facts": {"z": 1, "a": ["ü", None, True, 1.5]},
            **values,
        }
    )


def test_the_canonical_form_is_pinned() -> None:
    assert canonical(entry()).decode() == (
        '{"actor_id":"01890a5d-ac96-774b-bcce-b302099a8058","actor_kind":"staff",'
        '"at":"2026-03-04T05:06:07.890123Z","facts":{"a":["ü",null,true,1.5],"z":1},'
        '"format":"kept-audit-1","id":"01890a5d-ac96-774b-bcce-b302099a8057",'
        '"object_id":"7","object_type":"requests.request",'
        '"subject_id":"01890a5d-ac96-774b-bcce-b302099a8057","verb":"requests.approved"}'
    )


def test_the_leaf_is_pinned() -> None:
    """A digest that ever differs makes every sealed head a lie."""
    assert leaf(entry()).hex() == (
        "80b58a57533b53e57cf481d36fc30b8b80f2079cc109971b305b96ba6dbc56c0"
    )
    assert leaf(entry()) == hashlib.sha256(b"\x00" + canonical(entry())).digest()


def test_the_leaf_does_not_depend_on_the_zone_the_time_is_written_in() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert leaf(entry(at=there)) == leaf(entry())


@pytest.mark.parametrize(
    "values",
    [
        {"id": OTHER},
        {"at": NOW + timedelta(microseconds=1)},
        {"actor_kind": "system"},
        {"actor_id": None},
        {"verb": "requests.denied"},
        {"object_type": ""},
        {"object_id": "8"},
        {"subject_id": None},
        {"facts": {}},
    ],
)
def test_every_part_changes_the_leaf(values: dict[str, Any]) -> None:
    assert leaf(entry(**values)) != leaf(entry())


def test_a_stored_entry_keeps_its_leaf(db: None) -> None:
    subject = Subject.objects.create(created_at=NOW)
    made = record(
        actor=staff(OTHER), verb="x.done", now=NOW, object=subject, subject_id=subject.pk,
        facts={"count": 3, "share": 0.25, "ids": [str(ID)], "deep": {"b": 1, "a": None}},
    )  # fmt: skip
    stored = AuditEntry.objects.get()
    assert bytes(stored.leaf) == leaf(stored) == made.leaf
    assert (stored.object_type, stored.object_id) == ("datamap.subject", str(subject.pk))
    assert Unsealed.objects.get().entry == stored


@pytest.mark.parametrize(
    ("actor", "kind", "id"),
    [
        (SYSTEM, "system", None),
        (VISITOR, "visitor", None),
        (person(ID), "person", ID),
        (staff(ID), "staff", ID),
    ],
)
def test_actors_are_written_down(db: None, actor: Any, kind: str, id: uuid.UUID | None) -> None:
    record(actor=actor, verb="x.done", now=NOW)
    stored = AuditEntry.objects.get()
    assert (stored.actor_kind, stored.actor_id) == (kind, id)


def test_an_entry_goes_with_its_transaction(db: None) -> None:
    def work() -> None:
        with transaction.atomic():
            record(actor=SYSTEM, verb="x.done", now=NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert (AuditEntry.objects.count(), Unsealed.objects.count()) == (0, 0)


@pytest.mark.parametrize("count", [1, 3])
def test_many_entries_take_two_statements(
    db: None, count: int, django_assert_num_queries: Any
) -> None:
    entries = [entry(id=uuid.uuid4()) for _ in range(count)]
    with transaction.atomic(), django_assert_num_queries(4):  # two of them are savepoints
        record_many(entries)
    assert {bytes(e.leaf) for e in AuditEntry.objects.all()} == {leaf(e) for e in entries}
    assert Unsealed.objects.count() == count


TABLES = ["audit_auditentry", "audit_evidence", "audit_staffaccess"]


@pytest.fixture
def filled(db: None) -> None:
    record(actor=SYSTEM, verb="x.done", now=NOW)
    Evidence.objects.create(
        control="x.y", at=NOW, outcome="kept", checked=1, violations=0, milliseconds=1
    )
    StaffAccess.objects.create(
        at=NOW, staff_id=ID, role="support", permission="x.y", task="t", reason="r"
    )


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["UPDATE {} SET at = at", "DELETE FROM {}"])
def test_the_trigger_protects_what_is_written(filled: None, table: str, statement: str) -> None:
    with (
        pytest.raises(ProgrammingError, match="Cannot update or delete"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(table))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET at = at",
        "DELETE FROM {}",
        "TRUNCATE {} CASCADE",
        "ALTER TABLE {} DISABLE TRIGGER ALL",
        "DROP TABLE {} CASCADE",
    ],
)
def test_the_runtime_role_may_only_add(
    filled: None, runtime_role: str, table: str, statement: str
) -> None:
    with (
        pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(table))


def test_switching_the_trigger_off_does_not_help_the_runtime_role(
    filled: None, runtime_role: str
) -> None:
    with (
        pgtrigger.ignore("audit.AuditEntry:append_only"),
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(),
    ):
        AuditEntry.objects.update(verb="x.other")


def test_the_runtime_role_can_record(db: None, runtime_role: str) -> None:
    record(actor=SYSTEM, verb="x.done", now=NOW)
    assert AuditEntry.objects.count() == 1
