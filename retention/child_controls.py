"""WC-15, checked: from the arrival of the knowledge to locked, and to gone, within the limits.

Times are taken from where they can't be moved afterwards. When the knowledge arrived, when the
person was locked and when everything was gone stands in the append-only log; a case whose own
times say something kinder is a violation, and so is one of which the log says nothing. Limits are
reckoned anew from the policy of that day; asking a parent makes them longer only where the log says
that one was asked, and answered. Whether somebody is still logged in is asked of the table of
sessions, and what stands of parents is `accounts.controls.guardians`.

What is left is looked for in the tables as Postgres lists them, not as our models do: for thirty
days after an erasure the person's id is searched in every column of every table, as a UUID, as
text, and within binary values. The id is the only thing to search by: of the address nothing is
kept for it, not even a keyed digest. Whoever holds the key can try addresses against a digest, so
it would still be data about a child, held after the promise that none is (GDPR 4(5), 5(1)(c),
17(1)). That columns of addresses are empty is asked through the id of the row they stand in.

A search reads each table once for fifty people, and in stretches of pages, so that no statement
runs long however large a table has become. A row that moves between two stretches
may be missed on one day; it is found on the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.dateparse import parse_datetime
from psycopg import sql

from accounts.controls import guardians
from accounts.models import AgeVerdict, Session
from audit.control import Finding
from audit.models import AuditEntry
from datamap import registry
from datamap.holding import Erasing, Holding
from policy.document import Document
from policy.eras import Era, eras
from retention.models import ChildCase, Tombstone

SEARCHED = timedelta(days=30)  # erased children are looked for this long
PAGES = 4000  # of 8 KiB each, in one statement
PEOPLE = 50  # in one pass over the tables
CASES = 1000
VERBS = {
    "accounts.child-learned": "locked",
    "accounts.guardian-asked": "asked",
    "accounts.guardian-agreed": "agreed",
    "accounts.guardian-verified": "verified",
    "retention.erased": "gone",
}
# Types that can hold an id; numbers, times and the like can't.
SEARCHABLE = """
    SELECT c.relname, a.attname, t.typname, c.relpages
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
    JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attnum > 0 AND NOT a.attisdropped
      AND (t.typcategory IN ('S', 'A', 'U') OR t.typname IN ('bytea', 'name'))
    ORDER BY c.relname, a.attnum
"""


def children_locked_and_gone(now: datetime) -> Finding:
    """From the arrival of the knowledge to locked, and to gone, within the policy's limits."""
    known = eras(now)
    if not known:
        return Finding.of(checked=0, violations=["no policy"])
    violations: list[str] = []
    gone: list[UUID] = []
    checked, slowest = 0, timedelta(0)
    for chunk in _cases():
        log = _log_of(chunk)
        checked += len(chunk)
        for case in chunk:
            told = log.get(case.subject_id, _Told())
            document = _document_at(known, case.learned_at)
            violations += [f"{why}:{case.pk}" for why in _broken(case, told, document, now)]
            slowest = max(slowest, case.locked_at - min([case.arrived_at, *told.arrived]))
            if (at := case.subject.erased_at) is not None and at > now - SEARCHED:
                gone.append(case.subject_id)
    violations += [f"no case:{s}" for s in _known_without_a_case()]
    violations += [f"not locked:{s}" for s in _unlocked_children(known[-1].document, now)]
    violations += [f"still logged in:{s}" for s in _logged_in(now)]
    violations += guardians.broken(known, now)
    searched = sorted(set(gone))
    violations += [f"found in {place}" for place in traces(searched)]
    return Finding.of(
        checked=checked,
        violations=violations,
        slowest_lock_seconds=round(slowest.total_seconds()),
        searched_people=len(searched),
    )


def traces(subjects: list[UUID]) -> list[str]:
    """Tables in whose rows one of these ids still stands without a ground, and holdings whose
    anonymous rows still say something.
    """
    found: set[str] = set()
    for start in range(0, len(subjects), PEOPLE):
        some = subjects[start : start + PEOPLE]
        found |= {table.name for table in _searched() if table.holds(some)}
        found |= set(_not_anonymous(some))
    return sorted(found)


# Times ------------------------------------------------------------------------------------------


@dataclass
class _Told:
    """What the log says of one person: knowledge that arrived, the locks, when all was gone; when
    a parent was asked or agreed, and was verified.
    """

    arrived: tuple[datetime, ...] = ()
    locked: tuple[datetime, ...] = ()
    gone: tuple[datetime, ...] = ()
    asked: tuple[datetime, ...] = ()
    agreed: tuple[datetime, ...] = ()
    verified: tuple[datetime, ...] = ()
    tombstone: bool = False


def _cases() -> Iterator[list[ChildCase]]:
    chunk: list[ChildCase] = []
    for case in ChildCase.objects.select_related("subject").iterator(chunk_size=CASES):
        chunk.append(case)
        if len(chunk) == CASES:
            yield chunk
            chunk = []
    yield chunk


def _log_of(chunk: list[ChildCase]) -> dict[UUID, _Told]:
    """Two queries for each chunk; index audit_entry_subject."""
    people = [case.subject_id for case in chunk]
    found: dict[UUID, _Told] = {person: _Told() for person in people}
    entries = AuditEntry.objects.filter(subject_id__in=people, verb__in=[*VERBS])
    for who, verb, at, facts in entries.values_list("subject_id", "verb", "at", "facts"):
        told = found[who] if who is not None else _Told()
        name = VERBS[verb]
        setattr(told, name, (*getattr(told, name), at))
        if name == "locked":
            told.arrived += (parse_datetime(str(facts.get("arrived_at"))) or at,)
    for who in Tombstone.objects.filter(subject_id__in=people).values_list("subject_id", flat=True):
        found[who].tombstone = True
    return found


def _broken(case: ChildCase, told: _Told, document: Document, now: datetime) -> Iterator[str]:
    """Everything about one case that is not as promised."""
    zone, holidays, age = document.zone, document.site.holidays, document.age
    # A second report joins the case, so the earliest since the last case counts.
    mine = [a for a, b in zip(told.arrived, told.locked, strict=True) if b <= _end(case, now)]
    if not mine or case.learned_at not in told.locked:
        yield "not in the log"
    arrived = min([case.arrived_at, *mine]) if _is_only_case(told, case) else case.arrived_at
    if arrived < case.arrived_at:
        yield "arrival moved"
    locked = max(case.locked_at, case.learned_at)
    if locked > age.lock_within.after(arrived, zone=zone, holidays=holidays):
        yield "locked late"
    if case.state in ChildCase.OPEN and not case.subject.locked:
        yield "open again"
    window = _window(case, told, document, now)
    limit = age.erase_within.after(window, zone=zone, holidays=holidays)
    yield from _not_gone(case, told, limit, now)
    if case.state == ChildCase.State.RELEASED and case.ground == ChildCase.Ground.PARENT:
        if not age.parental_consent:
            yield "released without a way to"
        elif not any(at <= _end(case, now) for at in told.verified):
            yield "released without a parent"


def _window(case: ChildCase, told: _Told, document: Document, now: datetime) -> datetime:
    """When the time to object is over at the latest: the policy's own, or a parent's to answer."""
    zone, holidays, age = document.zone, document.site.holidays, document.age
    ends = [age.contest.after(case.learned_at, zone=zone, holidays=holidays)]
    if age.parental_consent:
        period = age.parent_answer or age.contest
        for times in (told.asked, told.agreed):
            mine = [at for at in times if case.learned_at <= at <= _end(case, now)]
            # The first one counts, however many addresses were tried.
            ends += [period.after(at, zone=zone, holidays=holidays) for at in sorted(mine)[:1]]
    return max(ends)


def _not_gone(case: ChildCase, told: _Told, limit: datetime, now: datetime) -> Iterator[str]:
    if case.state == ChildCase.State.RELEASED:
        return
    erased = case.subject.erased_at
    # The latest of what different rooms wrote down: none may be earlier than the log's.
    gone = max([erased, *told.gone]) if erased else None
    if (gone or now) > limit:
        yield "erased late"
    if case.state != ChildCase.State.ERASED:
        return
    if erased is None:
        yield "not erased"
    elif not told.gone or not told.tombstone:
        yield "erased without a proof"


def _end(case: ChildCase, now: datetime) -> datetime:
    return case.closed_at or now


def _is_only_case(told: _Told, case: ChildCase) -> bool:
    """Whether all knowledge the log tells of can belong to this case.

    After a release there may be another case of the same person, with an arrival of its own.
    """
    return all(at >= case.learned_at for at in told.locked)


def _document_at(known: list[Era], at: datetime) -> Document:
    return next((era for era in reversed(known) if era.since <= at), known[0]).document


def _known_without_a_case() -> QuerySet[Any, Any]:
    """People of whom the log says that we learnt of a child, and nothing followed."""
    cases = ChildCase.objects.filter(subject_id=OuterRef("subject_id"))
    learned = AuditEntry.objects.filter(verb="accounts.child-learned", subject_id__isnull=False)
    return learned.filter(~Exists(cases)).values_list("subject_id", flat=True).distinct()


def _unlocked_children(document: Document, now: datetime) -> QuerySet[Any, Any]:
    """People whose birth date says child and who are not locked; a parent's consent excepted."""
    youngest = document.age.youngest or document.age.child_under
    today = now.astimezone(document.zone).date()
    # Somebody born on 29 February comes of age on 1 March in other years.
    try:
        newest = today.replace(year=today.year - youngest)
    except ValueError:
        newest = today.replace(year=today.year - youngest, day=28)
    children = AgeVerdict.objects.filter(born_on__gt=newest, subject__locked=False)
    if document.age.parental_consent:
        children = children.filter(~guardians.has_consent("subject"))
    return children.values_list("subject_id", flat=True)


def _logged_in(now: datetime) -> QuerySet[Any, Any]:
    """Children of open cases with a session that has not ended."""
    return (
        Session.objects.filter(
            expire_date__gt=now, user__subject__child_cases__state__in=ChildCase.OPEN
        )
        .order_by()
        .values_list("user__subject_id", flat=True)
        .distinct()
    )


# Search -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Table:
    """A table as Postgres lists it, with the columns that could hold an id and may not."""

    name: str
    columns: tuple[tuple[str, str], ...]
    pages: int

    def holds(self, people: list[UUID]) -> bool:
        """Whether one of the ids stands in one of the columns."""
        query = sql.SQL(
            "SELECT EXISTS (SELECT FROM {table} AS t"
            " WHERE ctid >= %s::tid AND ctid < %s::tid AND ({conditions}))"
        ).format(
            table=sql.Identifier("public", self.name),
            conditions=sql.SQL(" OR ").join(map(_condition, self.columns)),
        )
        values: list[Any] = [
            people if kind == "uuid" else _patterns(people, kind) for _, kind in self.columns
        ]
        with connection.cursor() as cursor:
            # Twice over the end: the table may have grown since it was last counted.
            for page in range(0, 2 * self.pages + PAGES, PAGES):
                stretch = [f"({page},0)", f"({page + PAGES},0)"]
                cursor.execute(query.as_string(None), [*stretch, *values])
                if cursor.fetchone() == (True,):
                    return True
        return False


def _condition(column: tuple[str, str]) -> sql.Composable:
    name, kind = column
    template = "t.{} = ANY(%s)" if kind == "uuid" else "t.{}::text LIKE ANY(%s)"
    return sql.SQL(template).format(sql.Identifier(name))


def _patterns(people: list[UUID], kind: str) -> list[str]:
    """What to look for in a value read as text: the ids with hyphens and without; in binary data,
    which Postgres shows in hexadecimal, the bare ids and those written as text.

    Plain pieces of text: a regular expression of them all would take ten times as long.
    """
    if kind == "bytea":
        return [f"%{form}%" for p in people for form in (p.hex, str(p).encode().hex())]
    return [f"%{form}%" for p in people for form in (str(p), p.hex)]


def _searched() -> list[_Table]:
    """Every table but those that may keep the bare random id; see `_tables_that_may_know`."""
    kept = _tables_that_may_know()
    columns: dict[str, list[tuple[str, str]]] = {}
    pages: dict[str, int] = {}
    with connection.cursor() as cursor:
        cursor.execute(SEARCHABLE)
        for table, column, kind, size in cursor.fetchall():
            if table not in kept:
                columns.setdefault(table, []).append((column, kind))
                pages[table] = max(size, 0)
    return [_Table(name, tuple(found), pages[name]) for name, found in columns.items()]


def _tables_that_may_know() -> set[str]:
    """Tables that keep the bare random id on a declared ground, or of rows made anonymous."""
    return {
        holding.model_class._meta.db_table
        for holding in registry.holdings()
        if holding.erasing is not Erasing.DELETE or holding.spare
    }


def _not_anonymous(people: list[UUID]) -> Iterator[str]:
    """Holdings whose rows should be bare by now and are not; asked column by column."""
    for holding in registry.holdings():
        if holding.erasing is Erasing.ANONYMISE and not holding.spare:
            rows = holding.rows().filter(**{f"{holding.subject}__in": people})
            if rows.filter(_says_something(holding)).exists():
                yield f"{holding.model_class._meta.db_table} (not anonymous)"


def _says_something(holding: Holding) -> Q:
    said = Q(pk__in=[])
    for name, value in holding.blank.items():
        if not callable(value):
            said |= ~Q(**({f"{name}__isnull": True} if value is None else {name: value}))
    return said
