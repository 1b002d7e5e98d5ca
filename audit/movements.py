"""Rows that come and go, counted by the database itself.

The danger. A site promises that a profile stays as long as the account exists. The code that
removes rows is then the last one to ask whether it removed too many: a sweep that is a day early
counts its rows perfectly, and a row that a wrong statement took leaves nothing behind to ask.

The design. Tables that a holding declares as `lasting` carry statement-level triggers. Each
statement that inserts or deletes leaves one row in `audit.Movement`: how many rows, the sum of
their keys' digests, whose they were (only as the number that nobody named), and the earliest and
latest value of every clock. `because` tells the reason; a statement without one has none.

Why that is honest:
- The triggers see the rows themselves, whatever code or hand moved them. Switched off, truncated
  or restored from elsewhere, the sums no longer meet what is there: came − went = present, in
  number and in keys, so that a row can't be exchanged for another either.
- The time is the server's own, the only one a caller can't move.
- The reason is only a claim. Who claims "swept" is judged by the clocks of the rows and the
  published policies, who claims "erased" by the grounds in the log (`retention.lasting_controls`).
- Only these functions, which belong to the tables' owner, may write here; the runtime role can't.

Cost: one row per statement, no row that everybody waits for. Old rows are added up
(`add_up`): arrivals after thirty days, departures after ninety, when they have been judged that
often. What had no reason, or took rows of somebody nobody named, stays as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from django.db import connections, migrations
from psycopg import sql

from datamap import registry

SETTING = "kept.removal"


class Reason(StrEnum):
    """Why rows of a lasting table go."""

    SWEPT = "swept"
    ERASED = "erased"
    OWNER = "owner"


@dataclass(frozen=True)
class Followed:
    """A table whose rows are counted.

    key: its primary key. clocks: columns of times that retention periods run from. owner: SQL for
    the subject's id of a deleted row, which is called `r`.
    """

    table: str
    key: str
    clocks: tuple[str, ...]
    owner: str


@contextmanager
def because(
    reason: Reason, *, refs: Iterable[object], subjects: Iterable[UUID] = (), using: str = "default"
) -> Iterator[None]:
    """Say, for the rest of the block, why rows go; in the caller's transaction.

    refs: ids of what set it off (erasures; entries of the log for an owner; a rule's digest).
    subjects: whose rows may go; the database counts those of anybody else.
    """
    said = {
        "reason": str(reason),
        "refs": sorted(map(str, refs)),
        "subjects": sorted(map(str, subjects)),
    }
    before = _say(json.dumps(said), using=using)
    yield
    # Not in a `finally`: after an error the transaction is over, and the setting with it.
    _say(before, using=using)


def named(subjects: Iterable[UUID]) -> str:
    """The digest that a movement keeps of the subjects it was for."""
    return hashlib.sha256(json.dumps(sorted(map(str, subjects))).encode()).hexdigest()


def add_up(*, using: str = "default") -> int:
    """Replace old movements by their sums; how many rows went into them."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT kept_add_up_movements()")
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def follow(followed: Followed) -> migrations.RunSQL:
    """The migration operation that starts counting: triggers, and an opening balance."""
    return migrations.RunSQL(
        sql=_compose(_FOLLOW, followed), reverse_sql=_compose(_UNFOLLOW, followed)
    )


def triggers_of(table: str) -> tuple[str, str]:
    """The names a followed table's triggers have, for arrivals and departures."""
    return f"kept_came_{table}", f"kept_went_{table}"


def lasting_tables() -> list[str]:
    """Tables of the holdings whose rows are to last."""
    return sorted({h.model_class._meta.db_table for h in registry.holdings() if h.lasting})


def uncounted_tables(*, using: str = "default") -> list[str]:
    """Lasting tables on which one of the triggers is missing or switched off."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')"
        )
        enabled = set(cursor.fetchall())
    return [
        table
        for table in lasting_tables()
        if not {(table, name) for name in triggers_of(table)} <= enabled
    ]


def _say(text: str, *, using: str) -> str:
    """Set the reason of this transaction; the one it had before."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(before, ''), set_config(%s, %s, true)"
            " FROM current_setting(%s, true) AS before",
            [SETTING, text, SETTING],
        )
        row = cursor.fetchone()
    return str(row[0]) if row else ""


def _compose(text: str, followed: Followed) -> str:
    came, went = triggers_of(followed.table)
    clocks = [
        sql.SQL(
            "{name}, jsonb_build_object('oldest', min(r.{column}), 'newest', max(r.{column}),"
            " 'none', count(*) FILTER (WHERE r.{column} IS NULL))"
        ).format(name=sql.Literal(clock), column=sql.Identifier(clock))
        for clock in followed.clocks
    ]
    return (
        sql.SQL(text)
        .format(
            came=sql.Identifier("public", came),
            went=sql.Identifier("public", went),
            on_insert=sql.Identifier(came),
            on_delete=sql.Identifier(went),
            table=sql.Identifier("public", followed.table),
            name=sql.Literal(followed.table),
            key=sql.Identifier(followed.key),
            owner=sql.SQL(followed.owner),
            clocks=sql.SQL(", ").join(clocks),
            setting=sql.Literal(SETTING),
        )
        .as_string(None)
    )


_FOLLOW = """
CREATE FUNCTION {came}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $kept$
BEGIN
    INSERT INTO public.audit_movement
        (id, at, of_table, kind, way, rows, keys, reason, refs, named, strangers, clocks)
    SELECT gen_random_uuid(), clock_timestamp(), {name}, 'statement', 'came', count(*),
        sum(hashtextextended(r.{key}::text, 0)), '', '[]', '', 0, '{{}}'
    FROM arrived AS r HAVING count(*) > 0;
    RETURN NULL;
END
$kept$;
CREATE FUNCTION {went}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $kept$
DECLARE
    said jsonb := coalesce(nullif(current_setting({setting}, true), ''), '{{}}')::jsonb;
    people uuid[] := ARRAY(
        SELECT jsonb_array_elements_text(coalesce(said -> 'subjects', '[]'))::uuid
    );
BEGIN
    INSERT INTO public.audit_movement
        (id, at, of_table, kind, way, rows, keys, reason, refs, named, strangers, clocks)
    SELECT gen_random_uuid(), clock_timestamp(), {name}, 'statement', 'went', count(*),
        sum(hashtextextended(r.{key}::text, 0)), coalesce(said ->> 'reason', ''),
        coalesce(said -> 'refs', '[]'),
        CASE WHEN said ? 'subjects'
            THEN encode(sha256(convert_to((said -> 'subjects')::text, 'UTF8')), 'hex') ELSE ''
        END,
        count(*) FILTER (WHERE ({owner} = ANY(people)) IS NOT TRUE),
        jsonb_build_object({clocks})
    FROM departed AS r HAVING count(*) > 0;
    RETURN NULL;
END
$kept$;
REVOKE ALL ON FUNCTION {came}(), {went}() FROM PUBLIC;
LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE;
CREATE TRIGGER {on_insert} AFTER INSERT ON {table}
    REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION {came}();
CREATE TRIGGER {on_delete} AFTER DELETE ON {table}
    REFERENCING OLD TABLE AS departed FOR EACH STATEMENT EXECUTE FUNCTION {went}();
INSERT INTO public.audit_movement
    (id, at, of_table, kind, way, rows, keys, reason, refs, named, strangers, clocks)
SELECT gen_random_uuid(), clock_timestamp(), {name}, 'opening', 'came', count(*),
    sum(hashtextextended(r.{key}::text, 0)), '', '[]', '', 0, '{{}}'
FROM {table} AS r HAVING count(*) > 0;
"""
_UNFOLLOW = """
DROP TRIGGER {on_insert} ON {table};
DROP TRIGGER {on_delete} ON {table};
DROP FUNCTION {came}();
DROP FUNCTION {went}();
"""

ADD_UP = """
CREATE FUNCTION public.kept_add_up_movements() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $kept$
DECLARE
    done integer;
    before text := coalesce(nullif(current_setting('pgtrigger.ignore', true), ''), '{}');
BEGIN
    -- One at a time, or two would each add up half.
    PERFORM pg_advisory_xact_lock(hashtext('audit.movements'));
    PERFORM set_config(
        'pgtrigger.ignore',
        (SELECT coalesce(array_agg(tgname), '{}')::text FROM pg_trigger
         WHERE tgrelid = 'public.audit_movement'::regclass AND NOT tgisinternal),
        true
    );
    WITH old AS (
        DELETE FROM public.audit_movement
        WHERE kind <> 'statement'
            OR way = 'came' AND at < clock_timestamp() - interval '30 days'
            OR way = 'went' AND at < clock_timestamp() - interval '90 days'
                AND reason <> '' AND (reason = 'swept' OR strangers = 0)
        RETURNING *
    ), sums AS (
        INSERT INTO public.audit_movement
            (id, at, of_table, kind, way, rows, keys, reason, refs, named, strangers, clocks)
        SELECT gen_random_uuid(), max(at), of_table, 'sum', way, sum(rows), sum(keys),
            '', '[]', '', 0, '{}'
        FROM old GROUP BY of_table, way
    )
    SELECT count(*) INTO done FROM old WHERE kind = 'statement';
    PERFORM set_config('pgtrigger.ignore', before, true);
    RETURN done;
END
$kept$;
REVOKE ALL ON FUNCTION public.kept_add_up_movements() FROM PUBLIC;
"""
