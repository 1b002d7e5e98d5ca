"""The brake: a rule that would empty a table waits until somebody has looked.

The danger. A period is a word in a file. "2 days" where "2 years" was meant, a clock that was
moved, a holding that was taken for another: the policy is valid, the preview was not read, and the
next night the sweep does exactly what it was told, quickly and with a clean record of it. Nothing
in the sweep itself can know that; only the amount is strange.

The design.
- Before a rule is carried out, what is due by it (all its ranges together) plus what sweeps have
  already taken from that table today is compared with the table: rows there are plus rows gone
  today. More than the set share, and more than a floor under which a small site's ordinary night
  lies: then *nothing* of the rule is taken. A `Brake` waits, everybody who may decide is written
  to, and the other rules go on.
- What a rule does every day is no surprise: up to twice the most it took on a day of the last month
  goes, whatever share that is. Log-ins that end after a day are most of their table each night; the
  first such night somebody looks, and then it is known. A rule with another period is another one.
- While it is carried out, every chunk adds its rows to the day's account of the table in its own
  transaction, under the condition that they fit. So several workers and several rules over one
  table can't take more together than one alone, however they interleave. A chunk that does not
  fit is undone as a whole, and the rule is judged again: more may be allowed by now (midnight has
  passed, the table was not counted for so few rows), or it is braked where it is.
- The day is that of the policy's time zone: what counts is how much goes before people wake up.
- A privacy administrator lets it go, once, for the number of rows they were shown and a tenth more
  (a night passes between), with a reason; or says that it stays stopped. Both only while the
  number shown is still the number waiting, so nobody decides about something else than they saw,
  and of two who decide at once one is told that it was decided. When more are due than were let
  go, the release is void and a new brake waits.
- Both decisions bind to the digest of the rule that binds the rows. A stricter rule published since
  is another one and waits anew. A longer one does not bind rows that were promised the short
  period, so those stay stopped until somebody decides. An unused release lapses in a week.
- What is braked is not hidden: the run ends as braked, the command exits with 3, the dry run says
  so beforehand, the staff's hub says so, and the promise about periods breaks by itself when it
  lasts, because its control does not ask this module.

What the brake does not see: a slow mistake, below the share every day. The share is the price of
not stopping an honest backlog; operators set both figures (KEPT_SWEEP_BRAKE_SHARE, _FLOOR).

GDPR 5(1)(f), 32(1)(b): integrity and availability; PROMISES WC-5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import F, Min, Q, Sum
from django.db.models.functions import TruncDate

from audit.log import SYSTEM, record
from datamap import registry
from policy import current
from policy.document import RetentionRule
from retention.models import Brake, DayTaken, SweepRun, SweepStep
from retention.selection import due_rows

RELEASE_LASTS = timedelta(days=7)
MONTH = timedelta(days=30)
OF_THE_USUAL = 2  # times the most of a day of the last month


class Exceeded(RuntimeError):
    """These rows are more than may go today, or than were let go; the chunk must be undone."""


@dataclass(frozen=True)
class Measured:
    """What a rule would do. due: step → rows due. table_rows: rows there are now, None where so
    few are due that the table was not counted.
    """

    due: dict[int, int]
    table_rows: int | None

    @property
    def rows(self) -> int:
        """Rows due by all ranges of the rule."""
        return sum(self.due.values())


def judge(*, step: SweepStep, now: datetime, zone: ZoneInfo, again: bool = False) -> SweepStep:
    """Decide, once per run, whether the rule of this step may be carried out; the step after that.

    All steps of one rule are decided together. zone: whose calendar has the days. again: decide
    anew, for a chunk did not fit.
    """
    day = _day(now, zone)
    for wholly in (False, True):
        measured = _measure(_of_rule(step), day=day, wholly=wholly)
        with transaction.atomic():
            account = _account(step, day)
            steps = _of_rule(step, lock=True)
            fresh = next(s for s in steps if s.pk == step.pk)
            if fresh.judged_at is not None and not again:
                return fresh
            taken = _taken(account, step)
            limit = max(_limit(account, measured), taken + _usual(steps, day=day, zone=zone))
            # Where nothing is due nothing is too much, whatever a release let go today.
            over = 0 < measured.rows > limit - taken
            if over and measured.table_rows is None:
                continue  # others took so much meanwhile that the table has to be counted
            brake = _standing(steps, measured, over=over, now=now)
            DayTaken.objects.filter(pk=account.pk).update(allowed=limit)
            _mark(steps, measured, brake=brake, now=now)
            break
    return SweepStep.objects.get(pk=step.pk)


def book(*, step: SweepStep, rows: int, gone: int, now: datetime, zone: ZoneInfo) -> None:
    """Add a chunk to the day's account, in its own transaction. Raises `Exceeded`.

    gone: how many of the rows are no longer in the table.
    """
    if not rows:
        return
    account = DayTaken.objects.filter(table=_table(step), day=_day(now, zone))
    if step.brake_id is None:
        account = account.filter(taken__lte=F("allowed") - rows)
    elif not account.exists():  # midnight has passed; a release holds for the rows, not for a day
        _account(step, _day(now, zone))
    if not account.update(taken=F("taken") + rows, gone=F("gone") + gone):
        raise Exceeded
    if step.brake_id is None:
        return
    release = Brake.objects.filter(
        pk=step.brake_id, state=Brake.State.RELEASED, taken__lte=F("allowance") - rows
    )
    if not release.update(taken=F("taken") + rows):
        raise Exceeded


def finish(*, step: SweepStep, now: datetime) -> None:
    """A release is used up when the last step under it has ended."""
    if step.brake_id is None or step.braked:
        return
    under_it = SweepStep.objects.filter(brake=step.brake_id, finished_at=None)
    if not under_it.filter(run__state__in=SweepRun.OPEN).exists():
        Brake.objects.filter(pk=step.brake_id, state=Brake.State.RELEASED).update(
            state=Brake.State.USED, closed_at=now
        )


def rule_of(brake: Brake, *, now: datetime) -> RetentionRule | None:
    """The rule of the policy in force that the brake is about; None when it is no longer there."""
    for rule in current.document(now).rules_for(brake.holding):
        if (rule.clock, rule.action) == (brake.clock, brake.action):
            return rule
    return None


def digest(steps: Sequence[SweepStep]) -> str:
    """Names the rule in all versions that bind: what a decision holds for."""
    return digest_of({step.rule_digest for step in steps})


def digest_of(rule_digests: set[str]) -> str:
    """SHA-256 in hex over the digests of a rule's versions."""
    return hashlib.sha256("\n".join(sorted(rule_digests)).encode()).hexdigest()


def _of_rule(step: SweepStep, *, lock: bool = False) -> list[SweepStep]:
    steps = SweepStep.objects.filter(
        run=step.run_id, holding=step.holding, clock=step.clock, action=step.action, error=""
    ).order_by("pk")
    return list(steps.select_for_update(no_key=True) if lock else steps)


def _measure(steps: Sequence[SweepStep], *, day: date, wholly: bool) -> Measured:
    """Few rows are counted up to the floor only, so that an ordinary night costs one index scan."""
    holding = registry.holding(steps[0].holding)
    floor = settings.KEPT_SWEEP_BRAKE_FLOOR
    if not wholly:
        due = {s.pk: due_rows(holding, s).order_by()[: floor + 1].count() for s in steps}
        if sum(due.values()) + _taken(_account(steps[0], day), steps[0]) <= floor:
            return Measured(due, None)
    due = {s.pk: due_rows(holding, s).order_by().count() for s in steps}
    return Measured(due, holding.rows().count())


def _account(step: SweepStep, day: date) -> DayTaken:
    """The table's account of the day, locked for the rest of the transaction; a dry run has one
    of its own that is never stored.
    """
    found = DayTaken.objects.filter(table=_table(step), day=day)
    if step.dry_run:
        return found.first() or DayTaken(table=_table(step), day=day)
    with transaction.atomic():
        DayTaken.objects.bulk_create([DayTaken(table=_table(step), day=day)], ignore_conflicts=True)
        return found.select_for_update(no_key=True).get()


def _limit(day: DayTaken, measured: Measured) -> int:
    """How many rows may go today."""
    floor = int(settings.KEPT_SWEEP_BRAKE_FLOOR)
    if measured.table_rows is None:
        return max(day.allowed, floor)
    return max(floor, int(settings.KEPT_SWEEP_BRAKE_SHARE * (measured.table_rows + day.gone)))


def _usual(steps: Sequence[SweepStep], *, day: date, zone: ZoneInfo) -> int:
    """How many more rows would be nothing new for this very rule today."""
    kind = {"holding": steps[0].holding, "clock": steps[0].clock, "action": steps[0].action}
    begin = datetime.combine(day, time.min, tzinfo=zone)
    by_day = dict(
        SweepStep.objects.filter(
            **kind,
            rule_digest__in={step.rule_digest for step in steps},
            run__dry_run=False,
            run__started_at__gte=begin - MONTH,
        )
        .annotate(day=TruncDate("run__started_at", tzinfo=zone))
        .order_by()
        .values_list("day")
        .annotate(taken=Sum("rows"))
    )
    today = by_day.pop(day, 0)
    most: int = max(by_day.values(), default=0)
    return max(0, OF_THE_USUAL * most - int(today))


def _taken(day: DayTaken, step: SweepStep) -> int:
    """Taken today; in a dry run with what its other rules over the table would take."""
    if not step.dry_run:
        return day.taken
    same_table = [h.key for h in registry.holdings() if h.model_class._meta.db_table == day.table]
    others = SweepStep.objects.filter(run=step.run_id, holding__in=same_table, braked=False)
    mine = Q(holding=step.holding, clock=step.clock, action=step.action)
    would = others.exclude(mine).aggregate(rows=Sum("rows"))["rows"]
    return day.taken + (would or 0)


def _standing(
    steps: Sequence[SweepStep], measured: Measured, *, over: bool, now: datetime
) -> Brake | None:
    """The brake that holds the rule, or the release it goes by; None when it just goes."""
    name, step = digest(steps), steps[0]
    kind = {"holding": step.holding, "clock": step.clock, "action": step.action}
    found = Brake.objects.select_for_update().filter(**kind, state__in=Brake.OPEN).first()
    if found is not None and not _still_stands(found, name, measured, over=over, now=now):
        if not step.dry_run:
            _lapse(found, now=now)
        found = None
    if step.dry_run:
        return found or (Brake() if over else None)
    if found is None:
        return _put_on(steps, measured, now=now) if over else None
    if found.state == Brake.State.WAITING:
        _look_again(found, measured, oldest=_oldest(steps))
    return found


def _still_stands(
    brake: Brake, name: str, measured: Measured, *, over: bool, now: datetime
) -> bool:
    if brake.digest != name:
        return False
    if brake.state == Brake.State.STOPPED:
        return True
    return over and (brake.state == Brake.State.WAITING or _lets_go(brake, measured, now))


def _lets_go(brake: Brake, measured: Measured, now: datetime) -> bool:
    return (
        brake.state == Brake.State.RELEASED
        and brake.released_until is not None
        and now < brake.released_until
        and brake.taken + measured.rows <= brake.allowance
    )


def _put_on(steps: Sequence[SweepStep], measured: Measured, *, now: datetime) -> Brake:
    brake = Brake.objects.create(
        holding=steps[0].holding,
        clock=steps[0].clock,
        action=steps[0].action,
        digest=digest(steps),
        rows=measured.rows,
        table_rows=measured.table_rows or 0,
        oldest=_oldest(steps),
        braked_at=now,
    )
    record(
        actor=SYSTEM,
        verb="retention.sweep-braked",
        now=now,
        object=brake,
        facts={
            "holding": brake.holding,
            "clock": brake.clock,
            "action": brake.action,
            "rule": brake.digest,
            "rows": brake.rows,
            "table_rows": brake.table_rows,
        },
    )
    return brake


def _look_again(brake: Brake, measured: Measured, *, oldest: datetime | None) -> None:
    """It still waits: the number a decision would be about is today's."""
    Brake.objects.filter(pk=brake.pk).update(
        rows=measured.rows, table_rows=measured.table_rows or F("table_rows"), oldest=oldest
    )


def _oldest(steps: Sequence[SweepStep]) -> datetime | None:
    holding = registry.holding(steps[0].holding)
    column = holding.clocks[steps[0].clock]
    found = [due_rows(holding, s).aggregate(oldest=Min(column))["oldest"] for s in steps]
    return min(filter(None, found), default=None)


def _lapse(brake: Brake, *, now: datetime) -> None:
    Brake.objects.filter(pk=brake.pk).update(state=Brake.State.LAPSED, closed_at=now)
    record(
        actor=SYSTEM,
        verb="retention.brake-lapsed",
        now=now,
        object=brake,
        facts={"state": brake.state, "rows": brake.rows, "taken": brake.taken},
    )


def _mark(
    steps: Sequence[SweepStep], measured: Measured, *, brake: Brake | None, now: datetime
) -> None:
    """Write the decision down on every step of the rule that has not ended."""
    goes = brake is None or brake.state == Brake.State.RELEASED
    for step in steps:
        fields = {
            "judged_at": now,
            "due_rows": step.rows + measured.due[step.pk],
            "table_rows": measured.table_rows,
            "braked": not goes,
            "brake": brake if brake is not None and not step.dry_run else None,
        }
        if not goes and not step.dry_run:
            fields |= {"finished_at": now}
        SweepStep.objects.filter(pk=step.pk, finished_at=None).update(**fields)


def _table(step: SweepStep) -> str:
    return registry.holding(step.holding).model_class._meta.db_table


def _day(now: datetime, zone: ZoneInfo) -> date:
    return now.astimezone(zone).date()
