"""The runtime role may work with every table and change nothing that is append-only."""

import pytest
from django.db import ProgrammingError, connection, transaction
from django.test import override_settings

from audit.models import AuditEntry
from config import grants


def rights(table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT r FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) r"
            " WHERE has_table_privilege('kept_app', %s, r)",
            [table],
        )
        return [row[0] for row in cursor.fetchall()]


@pytest.mark.django_db
def test_append_only_tables_can_only_be_read_and_added_to() -> None:
    tables = grants.append_only_tables()
    assert "audit_auditentry" in tables
    assert {table: rights(table) for table in tables} == {
        table: ["SELECT"] if table in grants.written_by_database() else ["SELECT", "INSERT"]
        for table in tables
    }
    assert grants.written_by_database() == ["audit_movement"]


@pytest.mark.django_db
def test_other_tables_can_be_worked_with_but_not_emptied() -> None:
    assert rights("datamap_subject") == ["SELECT", "INSERT", "UPDATE", "DELETE"]


@pytest.mark.django_db
def test_migrations_are_written_by_their_owner_alone() -> None:
    assert rights("django_migrations") == ["SELECT"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_auditentry SET verb = 'x'",
        "DELETE FROM audit_auditentry",
        "TRUNCATE audit_auditentry CASCADE",
        "ALTER TABLE audit_auditentry DISABLE TRIGGER ALL",
    ],
)
def test_runtime_role_cannot_change_the_log(runtime_role: str, statement: str) -> None:
    with connection.cursor() as cursor:
        # A session may switch the triggers off; the missing right still stops it.
        cursor.execute(
            "SELECT set_config('pgtrigger.ignore', '{pgtrigger_append_only_6cfb3}', true)"
        )
    with pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert AuditEntry.objects.count() == 0


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["", "kept_owner", "nobody_of_that_name"])
def test_a_single_role_is_left_alone(role: str) -> None:
    with override_settings(RUNTIME_ROLE=role):
        assert grants.grant_runtime_role() is False


@pytest.mark.django_db
def test_granting_twice_changes_nothing() -> None:
    before = rights("audit_auditentry")
    assert grants.grant_runtime_role() is True
    assert rights("audit_auditentry") == before
