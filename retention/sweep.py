"""The sweep: ends what is past its period, and nothing else.

The danger. A sweep deletes without anybody looking, at night, in bulk. A wrong sign, a forgotten
condition or a time zone, and data is gone that people trusted us to keep; a rule that silently
finds nothing, and data stays that we promised to end. One big statement locks people out, fills
the memory and loses everything when it is interrupted.

The design.
- What is due comes from the policy alone, each version for the data collected under it, as ranges
  of clock values (`retention.rules`). A row without a clock value is never due; the holding's `due`
  adds conditions. Whatever can't be carried out is refused in words before a row is touched, and
  the other rules go on.
- Rows are picked by the clock's index, oldest first, from where the last chunk ended (keyset
  paging), with FOR UPDATE SKIP LOCKED: any number of workers share the work and nobody waits. A
  row that is being used is left to the next sweep.
- Each chunk is one transaction: pick, act, audit entry, counts. So at any instant what is gone is
  what is counted and logged; a sweep killed half way has lost nothing and simply starts again. The
  size of chunks follows the clock, so that no transaction lasts longer than a quarter of a second.
- The end is "nothing selected", never "a short chunk": others may hold some of the rows.
- What hangs on a row is found from foreign keys (`retention.dependents`) and goes with it.
- Tables that are only ever written end through the functions of `audit.append_only`.
- Memory stays flat: one chunk of keys at a time.
- A dry run asks the same queries for counts.

GDPR 5(1)(e); PROMISES WC-5, WA-4, WA-12.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F, Min, Model, Q, QuerySet

from audit.append_only import expire, expiries
from audit.log import SYSTEM, record
from datamap import registry
from datamap.holding import Erasing, Holding
from policy import current
from retention import erase, removal, rules
from retention.clock import RunningClock
from retention.dependents import Dependent, dependents
from retention.models import Erasure, SweepRun, SweepStep
from retention.pace import FIRST, LARGEST, Pace
from retention.removal import Removed
from retention.rules import Due

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Chunks:
    """How many rows one transaction takes: at first, and at most."""

    first: int = FIRST
    largest: int = LARGEST


class OutOfTime(RuntimeError):
    """The budget is spent; what is left is due as before."""


def sweep(
    *,
    now: datetime,
    holding: str | None = None,
    dry_run: bool = False,
    budget: timedelta | None = None,
    chunks: Chunks = Chunks(),
) -> SweepRun:
    """Carry out every rule that is due, or those over one holding; returns what was done.

    dry_run: count exactly and change nothing. budget: stop after about this long; the run is then
    `paused`, and the next sweep finds what is left. Raises `policy.current.NoPolicy`,
    `datamap.registry.UnknownHolding`.
    """
    version = current.fresh(now)
    only = registry.holding(holding).key if holding else ""
    clock = RunningClock(now)
    run = SweepRun.objects.create(
        dry_run=dry_run, only=only, policy_digest=version.digest, started_at=now
    )
    ruled = rules.ruled(version.document)
    try:
        for due in rules.due(now=now, versions=rules.published(now)):
            if only in ("", due.holding):
                _Step(run, due, ruled=ruled, clock=clock, budget=budget, chunks=chunks).carry_out()
        state = SweepRun.State.DONE
    except OutOfTime:
        state = SweepRun.State.PAUSED
    if run.steps.exclude(error="").exists():
        state = SweepRun.State.FAILED
    SweepRun.objects.filter(pk=run.pk).update(state=state, finished_at=clock.now())
    run.refresh_from_db()
    return run


def due_rows(holding: Holding, due: Due) -> QuerySet[Model]:
    """The rows one range is about, treated ones left out; without an order."""
    column = holding.clocks[due.clock]
    rows = holding.rows().filter(**{f"{column}__lte": due.until}, **holding.due)
    if due.since is not None:
        rows = rows.filter(**{f"{column}__gte": due.since})
    expiry = expiries().get(holding.model_class)
    if expiry is not None and expiry.blanks:
        return rows.exclude(facts={"expired": True})
    if due.action == "anonymise" or (
        due.action == "erase" and holding.erasing is Erasing.ANONYMISE
    ):
        rows = rows.filter(_not_blank(holding))
    if due.action == "erase":
        under_way = Erasure.objects.filter(state__in=Erasure.OPEN).values("subject_id")
        rows = rows.exclude(**{f"{holding.subject}__in": under_way})
        if holding.spare:
            rows = rows.exclude(**holding.spare)
    return rows


class _Step:
    """One range of one rule within one run."""

    def __init__(
        self,
        run: SweepRun,
        due: Due,
        *,
        ruled: frozenset[str],
        clock: RunningClock,
        budget: timedelta | None,
        chunks: Chunks,
    ) -> None:
        self.run, self.due, self.clock, self.budget = run, due, clock, budget
        self.ruled = ruled
        self.pace = Pace(chunks.first, chunks.largest)
        self.along: tuple[Dependent, ...] = ()

    def carry_out(self) -> None:
        """Count, or act chunk by chunk. Raises `OutOfTime`."""
        due = self.due
        self.row = SweepStep.objects.create(
            run=self.run,
            holding=due.holding,
            clock=due.clock,
            action=due.action,
            rule_digest=due.rule_digest,
            policy_digest=due.policy_digest,
            since=due.since,
            until=due.until,
            error=self._refusal()[:300],
        )
        if self.row.error:
            log.error("rule refused", holding=due.holding, clock=due.clock, why=self.row.error)
            return
        self.holding = registry.holding(due.holding)
        self.column = self.holding.clocks[due.clock]
        try:
            self._count() if self.run.dry_run else self._act()
        except OutOfTime:
            raise
        except Exception as error:  # noqa: BLE001  one broken rule must not stop the others
            self._note(error=type(error).__name__)
            log.error("rule failed", holding=due.holding, error=type(error).__name__)
        self._note(finished_at=self.clock.now(), longest_ms=round(self.pace.longest * 1000))

    def _refusal(self) -> str:
        due = self.due
        return rules.refusal(key=due.holding, clock=due.clock, action=due.action, ruled=self.ruled)

    def _count(self) -> None:
        rows = due_rows(self.holding, self.due)
        found = rows.aggregate(oldest=Min(self.column))
        self._note(rows=rows.order_by().count(), oldest=found["oldest"])

    def _act(self) -> None:
        if self.due.action == "delete" and self.holding.model_class not in expiries():
            self.along = dependents(
                self.holding.model_class, rules.manners(self.holding, self.ruled)
            )
        after: tuple[datetime, Any] | None = None
        while True:
            if self.budget is not None and self.clock.spent >= self.budget:
                raise OutOfTime
            with self.pace.measured(), transaction.atomic(durable=True):
                after = self._chunk(after)
            if after is None:
                return

    def _chunk(self, after: tuple[datetime, Any] | None) -> tuple[datetime, Any] | None:
        """One transaction's work; the place to go on from, or None when nothing was selected."""
        picked = removal.pick(self._next(after))
        if not picked:
            return None
        removed = self._take(picked)
        record(
            actor=SYSTEM,
            verb="retention.swept",
            now=self.clock.now(),
            object=self.row,
            facts={
                "holding": self.due.holding,
                "clock": self.due.clock,
                "action": self.due.action,
                "rule": self.due.rule_digest,
                "rows": removed.rows,
                "with_them": dict(removed.with_them),
            },
        )
        self._note(
            rows=F("rows") + removed.rows,
            with_them=F("with_them") + removed.others,
            chunks=F("chunks") + 1,
            **({"oldest": picked[0][1]} if after is None else {}),
        )
        return picked[-1][1], picked[-1][0]

    def _next(self, after: tuple[datetime, Any] | None) -> QuerySet[Any, Any]:
        rows = due_rows(self.holding, self.due)
        if after is not None:
            # Both conditions, so that the index on the clock starts where the last chunk ended.
            later = Q(**{f"{self.column}__gt": after[0]}) | Q(pk__gt=after[1])
            rows = rows.filter(later, **{f"{self.column}__gte": after[0]})
        ordered = rows.order_by(self.column, "pk")
        chunk: QuerySet[Any, Any] = ordered.values_list("pk", self.column)[: self.pace.size]
        return chunk

    def _take(self, picked: list[tuple[Any, ...]]) -> Removed:
        """Act on locked rows: key and clock value."""
        ids = [row[0] for row in picked]
        expiry = expiries().get(self.holding.model_class)
        if expiry is not None:
            return Removed(rows=expire(expiry, ids))
        if self.due.action == "erase":
            # Asked only here: on the way to the person may be a join, which slows picking down.
            about_somebody = {f"{self.holding.subject}__isnull": False}
            whose = self.holding.rows().filter(pk__in=ids, **about_somebody)
            return Removed(rows=self._erase_people(whose))
        if self.holding.outside is not None:
            self.holding.outside(ids)
        if self.due.action == "anonymise":
            return removal.blank(self.holding, ids)
        return removal.delete(self.holding.model_class, ids, along=self.along)

    def _erase_people(self, rows: QuerySet[Model]) -> int:
        return erase.start_many(
            subject_ids=rows.values_list(self.holding.subject, flat=True),
            reason="period",
            actor=SYSTEM,
            now=self.run.started_at,
        )

    def _note(self, **fields: Any) -> None:
        SweepStep.objects.filter(pk=self.row.pk).update(**fields)


def _not_blank(holding: Holding) -> Q:
    """At least one blank is still to be written."""
    left = Q()
    for name, value in _plain_blanks(holding):
        done = {f"{name}__isnull": True} if value is None else {name: value}
        left |= ~Q(**done)
    return left


def _plain_blanks(holding: Holding) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in holding.blank.items() if not callable(value))
