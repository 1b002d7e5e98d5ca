"""Runs of the sweep and who works at them: opened once, shared, ended by whoever leaves last.

A run is planned when it is opened: its steps, with the ranges of clock values that are due, are
rows from then on. Workers join it with a shift, which is a lease that every chunk renews. Whoever
finds a shift whose lease is over closes it; a chunk of that worker that comes late finds its shift
closed and is undone. So a killed worker's run is taken over as soon as its lease is over, by the
next tick or by whoever is at it already, and nothing is counted twice.

The run's row is locked for every decision about shifts and ends, never during a chunk.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet

from audit.append_only import expiries
from datamap import registry
from policy import current
from policy.models import PolicyVersion
from retention import rules
from retention.clock import RunningClock
from retention.models import SweepRun, SweepShift, SweepStep
from retention.rules import Due

log = structlog.get_logger(__name__)
# Renewed by every chunk. With the tick's half minute a killed worker is replaced within a minute.
LEASE = timedelta(seconds=20)
LONGEST = timedelta(days=1)  # an open run that nobody is at any more is then left to a new one


class ShiftOver(RuntimeError):
    """This worker's lease was over and others have taken its place, or the run has ended."""


@dataclass
class Shift:
    """One worker at one run. `passed`: steps it found to be in other hands."""

    token: UUID
    run: SweepRun
    clock: RunningClock
    passed: set[int] = field(default_factory=set)


def begin(*, now: datetime, only: str = "", dry_run: bool = False) -> SweepRun:
    """The open run over these rules, or a new one with its steps planned.

    An open run whose policy is no longer in force, or that nobody has been at for a day, is left
    to the new one. Raises `policy.current.NoPolicy`.
    """
    while True:
        version = current.fresh(now)
        try:
            with transaction.atomic():
                run = None if dry_run else _open_run(version, now=now, only=only)
                return run or _new_run(version, now=now, only=only, dry_run=dry_run)
        except IntegrityError:  # somebody opened it at the same instant: join that one
            if dry_run or not _open(only).exists():
                raise


def join(*, run_id: UUID, clock: RunningClock) -> Shift | None:
    """Start a shift; None when the run has ended."""
    with transaction.atomic():
        run = _locked(run_id)
        if run.state not in SweepRun.OPEN:
            return None
        _close_dead_shifts(run, clock.now())
        shift = SweepShift.objects.create(
            run=run, joined_at=clock.now(), lease_until=clock.now() + LEASE
        )
        SweepRun.objects.filter(pk=run.pk).update(state=SweepRun.State.RUNNING)
    return Shift(shift.pk, run, clock)


def next_step(shift: Shift) -> SweepStep | None:
    """The open step with the fewest workers, the shift put to it; None when there is none for it.

    Raises `ShiftOver`, also when another policy has come into force: its ranges are others.
    """
    now = shift.clock.now()
    with transaction.atomic():
        run = _locked(shift.run.pk)
        if run.state not in SweepRun.OPEN:
            return None
        outdated = not run.dry_run and current.fresh(now).digest != run.policy_digest
        if outdated:
            _end(run, SweepRun.State.LEFT, now)
        else:
            _close_dead_shifts(run, now)
            others = Counter(_others(shift, now).values_list("step_id", flat=True))
            steps = run.steps.filter(finished_at=None).exclude(pk__in=shift.passed)
            for step in sorted(steps, key=lambda s: (others[s.pk], s.pk)):
                if others[step.pk] and _for_one_alone(step):
                    continue
                renew(shift, step=step)
                SweepStep.objects.filter(pk=step.pk).update(workers=F("workers") + 1)
                step.workers += 1
                return step
    if outdated:
        raise ShiftOver
    return None


def renew(shift: Shift, *, rows: int = 0, step: SweepStep | None = None) -> None:
    """Go on with the shift, in the caller's transaction, `rows` further. Raises `ShiftOver`."""
    where = {"step": step} if step is not None else {}
    kept = SweepShift.objects.filter(pk=shift.token, left_at=None).update(
        rows=F("rows") + rows, lease_until=shift.clock.now() + LEASE, **where
    )
    if not kept:
        raise ShiftOver


def finish_step(shift: Shift, step: SweepStep, *, empty: bool, **fields: object) -> bool:
    """End the step, unless rows are left (`empty` is false) that others at it may be holding.

    False when it was left to them.
    """
    now = shift.clock.now()
    with transaction.atomic():
        run = _locked(shift.run.pk)
        _close_dead_shifts(run, now)
        if not empty and _others(shift, now).filter(step=step).exists():
            shift.passed.add(step.pk)
            return False
        SweepStep.objects.filter(pk=step.pk, finished_at=None).update(finished_at=now, **fields)
    return True


def leave(shift: Shift) -> None:
    """End the shift, and the run with it when nothing is left to do."""
    now = shift.clock.now()
    with transaction.atomic():
        run = _locked(shift.run.pk)
        SweepShift.objects.filter(pk=shift.token, left_at=None).update(left_at=now, step=None)
        if run.state not in SweepRun.OPEN:
            return
        _close_dead_shifts(run, now)
        if not run.steps.filter(finished_at=None).exists():
            _end(run, _outcome(run), now)
        elif not _others(shift, now).exists():
            SweepRun.objects.filter(pk=run.pk).update(state=SweepRun.State.PAUSED)


def alive(run: SweepRun, now: datetime) -> QuerySet[SweepShift]:
    """Shifts whose lease runs."""
    return SweepShift.objects.filter(run=run, left_at=None, lease_until__gt=now)


def outdated(run: SweepRun, *, version: PolicyVersion, now: datetime) -> bool:
    """Whether a new run has to take this one's place; a dry run only counts and is none."""
    if run.dry_run:
        return False
    tired = now - run.started_at >= LONGEST and not alive(run, now).exists()
    return tired or run.policy_digest != version.digest


def _open(only: str) -> QuerySet[SweepRun]:
    return SweepRun.objects.filter(only=only, dry_run=False, state__in=SweepRun.OPEN)


def _open_run(version: PolicyVersion, *, now: datetime, only: str) -> SweepRun | None:
    run = _open(only).select_for_update(no_key=True).first()
    if run is not None and outdated(run, version=version, now=now):
        _end(run, SweepRun.State.LEFT, now)
        return None
    return run


def _new_run(version: PolicyVersion, *, now: datetime, only: str, dry_run: bool) -> SweepRun:
    run = SweepRun.objects.create(
        dry_run=dry_run,
        state=SweepRun.State.PAUSED,
        only=only,
        policy_digest=version.digest,
        started_at=now,
    )
    ruled = rules.ruled(version.document)
    SweepStep.objects.bulk_create(
        _planned(run, due, ruled=ruled)
        for due in rules.due(now=now, versions=rules.published(now))
        if only in ("", due.holding)
    )
    return run


def _planned(run: SweepRun, due: Due, *, ruled: frozenset[str]) -> SweepStep:
    why = rules.refusal(key=due.holding, clock=due.clock, action=due.action, ruled=ruled)
    if why:
        log.error("rule refused", holding=due.holding, clock=due.clock, why=why)
    return SweepStep(
        run=run,
        dry_run=run.dry_run,
        holding=due.holding,
        clock=due.clock,
        action=due.action,
        rule_digest=due.rule_digest,
        policy_digest=due.policy_digest,
        since=due.since,
        until=due.until,
        error=why[:300],
        finished_at=run.started_at if why else None,
    )


def _locked(run_id: UUID) -> SweepRun:
    return SweepRun.objects.select_for_update(no_key=True).get(pk=run_id)


def _others(shift: Shift, now: datetime) -> QuerySet[SweepShift]:
    return alive(shift.run, now).exclude(pk=shift.token)


def _close_dead_shifts(run: SweepRun, now: datetime) -> None:
    """Waits for a late chunk that is just being stored; that one renews its lease and stays."""
    dead = SweepShift.objects.filter(run=run, left_at=None, lease_until__lte=now)
    if closed := dead.update(left_at=F("lease_until"), step=None):
        log.warning("sweep taken over", run=str(run.pk), workers=closed)


def _for_one_alone(step: SweepStep) -> bool:
    """Counting is one statement, and rows that can't be locked can't be shared."""
    return step.dry_run or registry.holding(step.holding).model_class in expiries()


def _outcome(run: SweepRun) -> SweepRun.State:
    if run.steps.exclude(error="").exists():
        return SweepRun.State.FAILED
    if not run.dry_run and run.steps.filter(braked=True).exists():
        return SweepRun.State.BRAKED
    return SweepRun.State.DONE


def _end(run: SweepRun, state: SweepRun.State, now: datetime) -> None:
    """End the run; whoever is still at it notices with the next chunk."""
    SweepRun.objects.filter(pk=run.pk).update(state=state, finished_at=now)
    SweepShift.objects.filter(Q(run=run), left_at=None).update(left_at=now, step=None)
