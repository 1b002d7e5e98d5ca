"""WC-5, checked: what is to last as long as the account lasts, and every row that went anyway.

Nothing here asks a sweep or an erasure. What went is known from the counts that the database wrote
by itself (`audit.movements`): how many rows, of whom, how old by the server's clock. Three
questions follow.

1. Came − went = present, in number and in keys, for every lasting table.
2. What says "swept": was there, on that day, a rule of a published policy for that table under
   which even the newest of these rows was past its period? The rows' own clocks decide, whatever
   the sweep thought it was doing.
3. What says "erased": did every row belong to a person whom one of the erasures was about, and had
   that erasure a ground? Grounds are read from the log of the day: a request that a person made
   and staff approved, a child whose time to contest was over, an account nobody confirmed. The
   word of the erasure itself counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.dateparse import parse_datetime
from psycopg import sql

from audit import movements
from audit.control import Finding
from audit.models import AuditEntry, Movement
from audit.movements import Reason
from datamap import registry
from datamap.holding import Holding
from policy.document import Document, RetentionRule
from policy.eras import Era, eras
from retention.models import ChildCase, Erasure

CHUNK = 2000
DELETING = ("deletion", "cancellation")
# Which entries of the log count, by what they say about a person.
TOLD = (
    "accounts.address-confirmed",
    "accounts.child-learned",
    "accounts.created",
    "requests.approved",
    "requests.denied",
    "requests.received",
    "requests.withdrawn",
    "retention.child-confirmed",
    "retention.child-released",
)
BALANCE = """
    SELECT m.rows, m.keys, p.rows, p.keys FROM
    (SELECT coalesce(sum(CASE way WHEN 'came' THEN rows ELSE -rows END), 0) AS rows,
            coalesce(sum(CASE way WHEN 'came' THEN keys ELSE -keys END), 0) AS keys
     FROM audit_movement WHERE of_table = %s) AS m,
    (SELECT count(*) AS rows, coalesce(sum(hashtextextended({key}::text, 0)), 0) AS keys
     FROM {table}) AS p
"""


def rows_that_last(now: datetime) -> Finding:
    """Came − went = present; and whatever went, went for a reason that holds (WC-5)."""
    known = eras(now)
    holdings = {h.model_class._meta.db_table: h for h in registry.holdings() if h.lasting}
    violations = [f"not counted:{table}" for table in movements.uncounted_tables()]
    present = 0
    for table, holding in sorted(holdings.items()):
        rows, balanced = _balance(table, holding)
        present += rows
        if not balanced:
            violations.append(f"does not add up:{table}")
    went = Movement.objects.filter(kind="statement", way="went", of_table__in=list(holdings))
    chunk: list[Movement] = []
    for movement in went.order_by("of_table", "at").iterator(chunk_size=CHUNK):
        chunk.append(movement)
        if len(chunk) == CHUNK:
            violations += _judge(chunk, holdings, known)
            chunk = []
    violations += _judge(chunk, holdings, known)
    return Finding.of(checked=present, violations=violations, statements=went.count())


def _balance(table: str, holding: Holding) -> tuple[int, bool]:
    """How many rows there are, and whether they are those that came and did not go.

    One statement, so that both sides are of one instant.
    """
    key: Any = holding.model_class._meta.pk
    query = sql.SQL(BALANCE).format(key=sql.Identifier(key.column), table=sql.Identifier(table))
    with connection.cursor() as cursor:
        cursor.execute(query.as_string(None), [table])
        counted, counted_keys, present, present_keys = cursor.fetchone()
    return present, (counted, counted_keys) == (present, present_keys)


def _judge(chunk: list[Movement], holdings: dict[str, Holding], known: list[Era]) -> Iterator[str]:
    log = _Log.about(m for m in chunk if m.reason == Reason.ERASED)
    for movement in chunk:
        if movement.reason == Reason.SWEPT:
            why = _not_due(movement, holdings[movement.of_table], known)
        elif movement.reason == Reason.ERASED:
            why = log.objection(movement, known)
        elif movement.reason == Reason.OWNER:
            why = "of others" if movement.strangers else log.not_by_owner(movement)
        else:
            why = "no reason"
        if why:
            yield f"{why}:{movement.pk}"


# Swept ------------------------------------------------------------------------------------------


def _not_due(movement: Movement, holding: Holding, known: list[Era]) -> str:
    """Why a sweep may not have taken these rows; empty when some clock lets them all go."""
    ruled = False
    for clock, column in holding.clocks.items():
        values = movement.clocks.get(column)
        rules = any(_rules(e.document, holding.key, clock) for e in known)
        ruled = ruled or rules
        if not rules or values is None or values["none"] or values["newest"] is None:
            continue
        oldest, newest = _instant(values["oldest"]), _instant(values["newest"])
        if _all_past(movement.at, known, holding.key, clock, oldest, newest):
            return ""
    return "swept early" if ruled else "swept without a rule"


def _all_past(
    at: datetime, known: list[Era], key: str, clock: str, oldest: datetime, newest: datetime
) -> bool:
    """Whether every row between two clock values was past a period that bound it at that time.

    Of the rows of an earlier version only its end is known to bound them, so that counts.
    """
    begun = [e for e in known if e.since <= at]
    for place, era in enumerate(begun):
        if era.until is not None and era.until <= oldest:
            continue
        if place and era.since > newest:
            break
        last = newest if era.until is None else min(newest, era.until)
        binding = [era, *(e for e in begun[place + 1 :] if e.version.older_data_at <= at)]
        limits = [
            rule.period.last_start(at, zone=b.document.zone, holidays=b.document.site.holidays)
            for b in binding
            for rule in _rules(b.document, key, clock)
        ]
        if not limits or last > max(limits):
            return False
    return bool(begun)


def _rules(document: Document, key: str, clock: str) -> list[RetentionRule]:
    return [r for r in document.rules_for(key) if r.clock == clock and r.action == "delete"]


def _instant(text: str) -> datetime:
    found = parse_datetime(text)
    if found is None:
        raise ValueError("a movement holds no time")
    return found


# Erased -----------------------------------------------------------------------------------------


@dataclass
class _Log:
    """What the log and the cases say about the people of some erasures."""

    erasures: dict[str, Erasure] = field(default_factory=dict)
    entries: dict[UUID, list[AuditEntry]] = field(default_factory=dict)
    cases: dict[UUID, list[ChildCase]] = field(default_factory=dict)

    @classmethod
    def about(cls, chunk: Iterable[Movement]) -> _Log:
        """Everything needed to judge these movements, in three queries for each chunk."""
        log = cls()
        refs = sorted({ref for movement in chunk for ref in _uuids(movement.refs)})
        for start in range(0, len(refs), CHUNK):
            found = Erasure.objects.filter(pk__in=refs[start : start + CHUNK])
            log.erasures |= {str(e.pk): e for e in found}
            people = [e.subject_id for e in found]
            entries = AuditEntry.objects.filter(subject_id__in=people, verb__in=TOLD)
            for entry in entries.order_by("at"):
                if entry.subject_id is not None:
                    log.entries.setdefault(entry.subject_id, []).append(entry)
            for case in ChildCase.objects.filter(subject_id__in=people):
                log.cases.setdefault(case.subject_id, []).append(case)
        return log

    def objection(self, movement: Movement, known: list[Era]) -> str:
        """What speaks against these rows being erased; empty when nothing does."""
        if movement.strangers:
            return "of others"
        erasures = [self.erasures.get(ref) for ref in movement.refs]
        if not erasures or None in erasures:
            return "no such erasure"
        people = [e.subject_id for e in erasures if e is not None]
        if movements.named(people) != movement.named:
            return "of others"
        if not all(self.has_ground(person, movement.at, known) for person in people):
            return "erased without a ground"
        return ""

    def has_ground(self, person: UUID, at: datetime, known: list[Era]) -> bool:
        """Whether the log shows why this person's data had to go by then.

        `at` is the server's time of the removal: an erasure under a wrong clock believes its own.
        """
        told = [e for e in self.entries.get(person, ()) if e.at <= at]
        cases = self.cases.get(person, [])
        return _approved(told) or _child(told, cases, at, known) or _unconfirmed(told, at, known)

    def not_by_owner(self, movement: Movement) -> str:
        """Whether the log lacks the person's own act that a removal names."""
        acts = AuditEntry.objects.filter(pk__in=_uuids(movement.refs))
        by_people = sum(a.actor_kind == "person" and a.actor_id == a.subject_id for a in acts)
        return "" if movement.refs and by_people == len(movement.refs) else "not the owner's act"


def _approved(told: list[AuditEntry]) -> bool:
    """A request to delete arrived, and the last word on it was a yes."""
    words = [e.verb for e in told if e.facts.get("kind") in DELETING]
    decisions = [w for w in words if w != "requests.received"]
    return "requests.received" in words and decisions[-1:] == ["requests.approved"]


def _child(told: list[AuditEntry], cases: list[ChildCase], at: datetime, known: list[Era]) -> bool:
    """We learnt of a child, and either the time to contest was over or staff confirmed it."""
    verbs = [e.verb for e in told]
    if "accounts.child-learned" not in verbs:
        return False
    last = [v for v in verbs if v.startswith("retention.child-")][-1:]
    if last == ["retention.child-confirmed"]:
        return True
    return any(_contest_is_over(case, at, known) for case in cases)


def _contest_is_over(case: ChildCase, at: datetime, known: list[Era]) -> bool:
    document = next((e.document for e in reversed(known) if e.since <= case.learned_at), None)
    if document is None or case.state == ChildCase.State.RELEASED:
        return False
    zone, holidays = document.zone, document.site.holidays
    return document.age.contest.after(case.learned_at, zone=zone, holidays=holidays) <= at


def _unconfirmed(told: list[AuditEntry], at: datetime, known: list[Era]) -> bool:
    """The account was opened long enough ago and its address never confirmed."""
    opened = [e.at for e in told if e.verb == "accounts.created"]
    if not opened or any(e.verb == "accounts.address-confirmed" for e in told):
        return False
    return any(
        _over(rule, era.document, opened[0], at)
        for era in known
        if era.since <= at
        for rule in era.document.rules_for("accounts.account")
        if rule.action == "erase"
    )


def _over(rule: RetentionRule, document: Document, start: datetime, at: datetime) -> bool:
    zone, holidays = document.zone, document.site.holidays
    return rule.period.after(start, zone=zone, holidays=holidays) <= at


def _uuids(refs: Iterable[str]) -> list[str]:
    found = []
    for ref in refs:
        with suppress(ValueError):
            found.append(str(UUID(ref)))
    return found
