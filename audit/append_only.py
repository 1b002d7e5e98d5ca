"""How append-only rows end: through one function per table, and in no other way.

The danger: logs have to end (GDPR 5(1)(e)), but whoever can delete from a log can hide what they
did. The design: the runtime role has no right to change or delete these rows. A function that
belongs to the owner of the tables, made by a migration, does it, for the keys it is given, and
refuses any row younger than a floor that stands in its own text. It looks at the server's clock,
the only one a caller can't move; the periods of the policy, all longer, come on top. It switches
the table's own trigger off for its own duration. What it did is recorded by its caller.

An entry of the audit log loses its payload and keeps its digest, so that seals stay verifiable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connections, migrations
from django.db.models import Model
from psycopg import sql


@dataclass(frozen=True)
class Expiry:
    """How rows of an append-only table end.

    model: Django label. clock: the column their age is told from. floor: younger rows are refused.
    blanks: column and SQL constant written over it; without any, rows are deleted.
    """

    model: str
    table: str
    clock: str
    floor: timedelta
    blanks: dict[str, str] = field(default_factory=dict)

    @property
    def function(self) -> str:
        """The function's name in the database."""
        return f"kept_expire_{self.table}"


FLOOR = timedelta(days=30)
_known: dict[str, Expiry] = {}


def declare(expiry: Expiry) -> Expiry:
    """Make the expiry known to sweeps. Raises `ValueError` for a second one over a table."""
    if _known.get(expiry.model, expiry) != expiry:
        raise ValueError(f"{expiry.model} expires in two ways")
    _known[expiry.model] = expiry
    return expiry


def expiries() -> dict[type[Model], Expiry]:
    """Model → how its rows end, for append-only tables."""
    return {m: _known[m._meta.label] for m in apps.get_models() if m._meta.label in _known}


def expire(expiry: Expiry, ids: list[Any], *, using: str = "default") -> int:
    """Let these rows end, in the caller's transaction; how many did.

    Raises `django.db.ProgrammingError` when one is younger than the floor; then nothing happened.
    """
    call = sql.SQL("SELECT {}(%s::uuid[])").format(sql.Identifier(expiry.function))
    with connections[using].cursor() as cursor:
        cursor.execute(call.as_string(None), [ids])
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def create_function(expiry: Expiry) -> migrations.RunSQL:
    """The migration operation that makes the function. Keys are UUIDs named `id`."""
    return migrations.RunSQL(
        sql=_definition(expiry).as_string(None),
        reverse_sql=sql.SQL("DROP FUNCTION {}(uuid[])")
        .format(sql.Identifier(expiry.function))
        .as_string(None),
    )


def grant_functions(*, using: str) -> None:
    """Let the runtime role call them, and nobody else but their owner."""
    role = settings.RUNTIME_ROLE
    with connections[using].cursor() as cursor:
        names = [expiry.function for expiry in _known.values()]
        cursor.execute("SELECT proname FROM pg_proc WHERE proname = ANY(%s)", [names])
        present = [name for (name,) in cursor.fetchall()]
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone() is None:
            return
        for name in present:
            grant = sql.SQL("GRANT EXECUTE ON FUNCTION {}(uuid[]) TO {}")
            cursor.execute(grant.format(sql.Identifier(name), sql.Identifier(role)).as_string(None))
        cursor.execute("SELECT to_regproc('public.kept_add_up_movements')")
        if cursor.fetchone() != (None,):
            grant = sql.SQL("GRANT EXECUTE ON FUNCTION kept_add_up_movements() TO {}")
            cursor.execute(grant.format(sql.Identifier(role)).as_string(None))


def _definition(expiry: Expiry) -> sql.Composed:
    table = sql.Identifier("public", expiry.table)
    if expiry.blanks:
        changes = [
            sql.SQL("{} = {}").format(sql.Identifier(column), sql.SQL(constant))
            for column, constant in expiry.blanks.items()
        ]
        # Two callers with the same keys: the second changes, and counts, nothing.
        undone = [
            sql.SQL("{} IS DISTINCT FROM {}").format(sql.Identifier(column), sql.SQL(constant))
            for column, constant in expiry.blanks.items()
        ]
        act = sql.SQL("UPDATE {} SET {} WHERE id = ANY(ids) AND ({})").format(
            table, sql.SQL(", ").join(changes), sql.SQL(" OR ").join(undone)
        )
    else:
        act = sql.SQL("DELETE FROM {} WHERE id = ANY(ids)").format(table)
    return sql.SQL(_FUNCTION).format(
        name=sql.Identifier("public", expiry.function),
        table=table,
        regclass=sql.Literal(f"public.{expiry.table}"),
        clock=sql.Identifier(expiry.clock),
        floor=sql.Literal(f"{round(expiry.floor.total_seconds())} seconds"),
        act=act,
    )


_FUNCTION = """
CREATE FUNCTION {name}(ids uuid[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $kept$
DECLARE
    done integer;
    before text := coalesce(nullif(current_setting('pgtrigger.ignore', true), ''), '{{}}');
BEGIN
    IF EXISTS (
        SELECT FROM {table}
        WHERE id = ANY(ids) AND {clock} > clock_timestamp() - interval {floor}
    ) THEN
        RAISE EXCEPTION 'rows younger than the floor do not expire';
    END IF;
    PERFORM set_config(
        'pgtrigger.ignore',
        (SELECT coalesce(array_agg(tgname), '{{}}')::text FROM pg_trigger
         WHERE tgrelid = {regclass}::regclass AND NOT tgisinternal),
        true
    );
    {act};
    GET DIAGNOSTICS done = ROW_COUNT;
    -- By hand: a SET clause for a parameter of no extension would need a superuser.
    PERFORM set_config('pgtrigger.ignore', before, true);
    RETURN done;
END
$kept$;
REVOKE ALL ON FUNCTION {name}(uuid[]) FROM PUBLIC;
"""

ENTRIES = declare(
    Expiry(
        model="audit.AuditEntry",
        table="audit_auditentry",
        clock="at",
        floor=FLOOR,
        # The leaf stays: seals are built from it.
        blanks={
            "facts": """'{"expired": true}'::jsonb""",
            "actor_id": "NULL",
            "subject_id": "NULL",
            "object_id": "''",
        },
    )
)
ACCESSES = declare(
    Expiry(model="audit.StaffAccess", table="audit_staffaccess", clock="at", floor=FLOOR)
)
EVIDENCE = declare(
    Expiry(model="audit.Evidence", table="audit_evidence", clock="at", floor=timedelta(days=90))
)
