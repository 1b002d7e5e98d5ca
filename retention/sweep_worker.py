"""One worker at one step of a sweep: chunk after chunk until nothing is left for it.

`retention.sweep` says how and why.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from django.db import OperationalError, connection, transaction
from django.db.models import F, Min, Model, QuerySet
from django.db.models.functions import Least

from audit.append_only import expire, expiries
from audit.log import SYSTEM, record
from audit.movements import Reason, because
from datamap import registry
from policy import current
from policy.models import PolicyVersion
from retention import alarms, brake, erase, removal, rules, sweep_runs
from retention.dependents import Dependent, dependents
from retention.models import SweepStep
from retention.pace import FIRST, LARGEST, Pace, first_size, limited
from retention.removal import Chosen, Removed
from retention.selection import Place, due_rows, next_rows
from retention.sweep_runs import Shift, ShiftOver
from retention.weight import weight

log = structlog.get_logger(__name__)
LOOK_EVERY = timedelta(seconds=5)  # whether another policy has come into force
COUNT_SECONDS = 200.0  # of one statement of a dry run; below the time limit of a task


class OutOfTime(RuntimeError):
    """The budget is spent; what is left is due as before."""


class StepOver(RuntimeError):
    """Somebody else has ended the step meanwhile."""


class Stint:
    """One shift at one step. count_seconds: a count that takes longer is left to somebody else."""

    def __init__(
        self,
        shift: Shift,
        step: SweepStep,
        *,
        version: PolicyVersion,
        budget: timedelta | None,
        first: int = FIRST,
        largest: int = LARGEST,
        count_seconds: float | None = None,
    ) -> None:
        self.shift, self.step, self.budget = shift, step, budget
        self.count_seconds = count_seconds
        self.clock = shift.clock
        self.zone: ZoneInfo = version.document.zone
        self.ruled = rules.ruled(version.document)
        self.holding = registry.holding(step.holding)
        self.expiry = expiries().get(self.holding.model_class)
        self.pace = Pace(first, largest)
        self.along: tuple[Dependent, ...] = ()
        self.looked = self.clock.spent
        self.passing: Place | None = None

    def carry_out(self) -> None:
        """Count, or act chunk by chunk. Raises `OutOfTime`, `ShiftOver`.

        One broken rule does not stop the others: its step ends with the error. A database that
        went away is no fault of the rule's and is raised.
        """
        try:
            self._count() if self.step.dry_run else self._act()
        except (OutOfTime, ShiftOver):
            self._note_longest()
            raise
        except StepOver:
            self._note_longest()
        except Exception as error:
            if not connection.is_usable():
                raise
            log.error("rule failed", holding=self.step.holding, error=type(error).__name__)
            self._finish(error=type(error).__name__)

    def _count(self) -> None:
        """Exactly, in a dry run. One statement may take long on a table of many rows."""
        try:
            with transaction.atomic(), limited(self.count_seconds or COUNT_SECONDS):
                self._judge()
                column = self.holding.clocks[self.step.clock]
                oldest = due_rows(self.holding, self.step).aggregate(oldest=Min(column))["oldest"]
                table_rows = self.step.table_rows
                if table_rows is None:
                    table_rows = self.holding.rows().count()
        except OperationalError as error:
            if self.count_seconds is None or not self.pace.stopped_by(error):
                raise
            raise OutOfTime from error
        self._finish(rows=self.step.due_rows or 0, table_rows=table_rows, oldest=oldest)

    def _act(self) -> None:
        model = self.holding.model_class
        if self.step.action == "delete" and self.expiry is None:
            self.along = dependents(model, rules.manners(self.holding, self.ruled))
        self._judge()
        self.pace.size = min(
            self.pace.size, first_size(weight(model, self.along), first=self.pace.size)
        )
        while self.step.finished_at is None:
            taken = self._pass()
            if self._ended(taken):
                return

    def _judge(self, *, again: bool = False) -> None:
        now = self.clock.now()
        self.step = brake.judge(step=self.step, now=now, zone=self.zone, again=again)
        if self.step.braked and not self.step.dry_run:
            alarms.tell_braked(now=now)

    def _ended(self, taken: int) -> bool:
        """After a pass that came to the end of the rows. Rows that others had locked were passed
        by, and are rows still if such a worker was killed; so whoever is not alone looks again.
        """
        if self.step.finished_at is not None:
            return True
        alone = SweepStep.objects.filter(pk=self.step.pk, workers=1).exists()
        empty = alone or not due_rows(self.holding, self.step).exists()
        if not empty and taken:
            return False
        self._finish(empty=empty)
        return True

    def _pass(self) -> int:
        """From the first row to the last, oldest first; how many were taken."""
        after: Place | None = None
        taken = 0
        while self.step.finished_at is None:
            self._look_up()
            try:
                with self.pace.measured() as watch, transaction.atomic(durable=True):
                    chosen = removal.choose(self._next(after))
                    watch.chosen()
                    removed = self._chunk(chosen, after=after) if chosen else Removed()
            except brake.Exceeded:
                self._judge(again=True)
                continue
            except OperationalError as error:
                if not self.pace.stopped_by(error):
                    raise
                if not self.pace.shrink():
                    after = self.passing  # in use, or in the way: left to the next sweep
                continue
            if chosen is None:
                return taken
            taken += removed.rows
            after = chosen.last
        return taken

    def _look_up(self) -> None:
        """Between two chunks: is there time left, and are the ranges still those of the policy?"""
        spent = self.clock.spent
        if self.budget is not None and spent >= self.budget:
            raise OutOfTime
        if spent - self.looked >= LOOK_EVERY:
            self.looked = spent
            if current.fresh(self.clock.now()).digest != self.shift.run.policy_digest:
                raise ShiftOver

    def _next(self, after: Place | None) -> QuerySet[Any, Any]:
        return next_rows(self.holding, self.step, after=after, size=self.pace.size)

    def _chunk(self, chosen: Chosen, *, after: Place | None) -> Removed:
        """One transaction's work on locked rows: act, write it down, count it."""
        self.passing = chosen.last
        if self.holding.outside is None:
            _do_not_wait_for_the_disk()
        with self.pace.bounded(), self._told_why():
            removed = self._take(chosen)
            # Foreign keys look now and not at commit, when others wait for the rows booked below.
            connection.check_constraints()
        record(
            actor=SYSTEM,
            verb="retention.swept",
            now=self.clock.now(),
            object=self.step,
            facts={
                "holding": self.step.holding,
                "clock": self.step.clock,
                "action": self.step.action,
                "rule": self.step.rule_digest,
                "rows": removed.rows,
                "with_them": dict(removed.with_them),
            },
        )
        self._book(removed, oldest=chosen.first if after is None else None)
        return removed

    def _told_why(self) -> AbstractContextManager[None]:
        """Tells tables that count their rows by which rule these go."""
        if not self.holding.lasting:
            return nullcontext()
        return because(Reason.SWEPT, refs=[self.step.rule_digest])

    def _book(self, removed: Removed, *, oldest: datetime | None) -> None:
        """Last in the transaction, for others wait for these rows, and always in this order."""
        now = self.clock.now()
        sweep_runs.renew(self.shift, rows=removed.rows)
        gone = removed.rows if self._leaves_the_table else 0
        brake.book(step=self.step, rows=removed.rows, gone=gone, now=now, zone=self.zone)
        counted = SweepStep.objects.filter(pk=self.step.pk, finished_at=None).update(
            rows=F("rows") + removed.rows,
            with_them=F("with_them") + removed.others,
            chunks=F("chunks") + 1,
            **({"oldest": Least("oldest", oldest)} if oldest is not None else {}),
        )
        if not counted:
            raise StepOver

    @property
    def _leaves_the_table(self) -> bool:
        blanked = self.expiry is not None and bool(self.expiry.blanks)
        return self.step.action == "delete" and not blanked

    def _take(self, chosen: Chosen) -> Removed:
        """Act on locked rows."""
        model, outside = self.holding.model_class, self.holding.outside
        if self.step.action == "delete" and self.expiry is None and outside is None:
            return removal.delete(model, chosen.keys, along=self.along)
        ids = chosen.ids
        if self.expiry is not None:
            return Removed(rows=expire(self.expiry, ids))
        if self.step.action == "erase":
            # Asked only here: on the way to the person may be a join, which slows picking down.
            about_somebody = {f"{self.holding.subject}__isnull": False}
            whose = self.holding.rows().filter(pk__in=ids, **about_somebody)
            return Removed(rows=self._erase_people(whose))
        if outside is not None:
            outside(ids)
        if self.step.action == "anonymise":
            return removal.blank(self.holding, ids)
        return removal.delete(model, ids, along=self.along)

    def _erase_people(self, rows: QuerySet[Model]) -> int:
        return erase.start_many(
            subject_ids=rows.values_list(self.holding.subject, flat=True),
            reason="period",
            actor=SYSTEM,
            now=self.shift.run.started_at,
        )

    def _finish(self, *, empty: bool = True, **fields: object) -> None:
        self._note_longest()
        if sweep_runs.finish_step(self.shift, self.step, empty=empty, **fields):
            brake.finish(step=self.step, now=self.clock.now())

    def _note_longest(self) -> None:
        longest = round(self.pace.longest * 1000)
        SweepStep.objects.filter(pk=self.step.pk, longest_ms__lt=longest).update(longest_ms=longest)


def _do_not_wait_for_the_disk() -> None:
    """Let this transaction's commit end others' waiting before the disk has it.

    A chunk that a crash takes back is whole: its rows are there again and due again, and nothing
    says that they went. The step's end waits, and with it everything before it is on the disk.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit TO off")
