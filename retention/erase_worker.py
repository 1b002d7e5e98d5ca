"""Carrying out erasures that are due; `retention.erase` says how and why."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from audit.log import SYSTEM, record_many
from audit.models import AuditEntry
from audit.movements import Reason, because
from datamap.holding import Holding
from datamap.models import Subject
from retention import signals
from retention.clock import RunningClock
from retention.dependents import erasing_order
from retention.erase_steps import bite, left_of, unfinished
from retention.models import Erasure, ErasureStep, Tombstone
from retention.one_person import held_back
from retention.pace import Pace

log = structlog.get_logger(__name__)
BATCH = 20
BUDGET = timedelta(minutes=4)
# Renewed by every bite. A bite holds its erasures' rows locked, and whoever claims passes by locked
# rows; so only a worker between two bites can oversleep, and it notices before the next one.
LEASE = timedelta(seconds=20)
ALARM_AFTER = 5  # rounds without a clean end before people are told
LONGEST_WAIT = timedelta(hours=1)


class LeaseLost(RuntimeError):
    """Another worker has taken the erasures over."""


@dataclass
class Worked:
    """What one call did: erasures finished, and rounds that failed."""

    done: list[UUID] = field(default_factory=list)
    failed: list[UUID] = field(default_factory=list)


@dataclass
class _Batch:
    """Erasures under one claim; `erasures` maps subject → erasure."""

    token: UUID
    erasures: dict[UUID, UUID]
    clock: RunningClock
    pace: Pace

    @property
    def rows(self) -> Q:
        """Condition: these erasures, as long as the claim holds."""
        return Q(pk__in=list(self.erasures.values()), claim=self.token)


def work(
    *, now: datetime, budget: timedelta = BUDGET, batch: int = BATCH, largest: int = 5_000
) -> Worked:
    """Carry out what is due until nothing is left or the budget is spent.

    largest: rows in one transaction at most. Any number of workers may call this at once.
    """
    clock, worked = RunningClock(now), Worked()
    while clock.spent < budget:
        claimed = _claim(clock=clock, batch=batch, largest=largest)
        if claimed is None:
            break
        try:
            _carry_out(claimed, worked)
        except LeaseLost:
            log.warning("erasure lease lost", erasures=len(claimed.erasures))
        except Exception as error:  # noqa: BLE001  one bad batch must not stop the others
            _failed(claimed, error=type(error).__name__)
            worked.failed += claimed.erasures.values()
    return worked


def _claim(*, clock: RunningClock, batch: int, largest: int) -> _Batch | None:
    """Take due erasures nobody works on: a batch of fresh ones, or one that failed before."""
    now, token = clock.now(), uuid.uuid4()
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    due = Erasure.objects.filter(free, state__in=Erasure.OPEN, due_at__lte=now).order_by("due_at")
    with transaction.atomic():
        picked = list(
            due.filter(attempts=0)
            .select_for_update(skip_locked=True)
            .values_list("pk", "subject_id")[:batch]
        ) or list(
            due.filter(attempts__gt=0)
            .select_for_update(skip_locked=True)
            .values_list("pk", "subject_id")[:1]
        )
        if not picked:
            return None
        Erasure.objects.filter(pk__in=[pk for pk, _ in picked]).update(
            state=Erasure.State.RUNNING,
            started_at=Coalesce("started_at", now),
            claim=token,
            lease_until=now + LEASE,
        )
        Subject.objects.filter(pk__in=[s for _, s in picked], locked=False).update(locked=True)
        ErasureStep.objects.bulk_create(
            [
                ErasureStep(erasure_id=pk, holding=holding.key, position=position)
                for position, holding in enumerate(erasing_order())
                for pk, _ in picked
            ],
            ignore_conflicts=True,
        )
    return _Batch(token, {s: pk for pk, s in picked}, clock, Pace(largest=largest))


def _carry_out(batch: _Batch, worked: Worked) -> None:
    open_steps: dict[str, set[UUID]] = {}
    for holding_key, erasure_id in ErasureStep.objects.filter(
        erasure__in=list(batch.erasures.values()), done=False
    ).values_list("holding", "erasure_id"):
        open_steps.setdefault(holding_key, set()).add(erasure_id)
    busy = _skip_idle(batch, set(open_steps))
    for holding in erasing_order():
        if holding.key not in busy:
            continue
        mine = open_steps.get(holding.key, set())
        erasures = {s: e for s, e in batch.erasures.items() if e in mine}
        while erasures and not _one_bite(batch, holding, erasures):
            pass
    _finish(batch, worked)


def _skip_idle(batch: _Batch, steps: set[str]) -> set[str]:
    """End the steps that have nothing to take, in one transaction; the keys of the others.

    Most holdings have nothing of most people. What is stored meanwhile the verification finds.
    """
    with transaction.atomic():
        _hold(batch)
        busy = unfinished(list(batch.erasures))
        ErasureStep.objects.filter(
            erasure__in=list(batch.erasures.values()), holding__in=steps - busy
        ).update(done=True)
    return busy


def _one_bite(batch: _Batch, holding: Holding, erasures: Mapping[UUID, UUID]) -> bool:
    """One transaction; True when the holding has nothing left and its steps are done.

    Rows that others hold are waited for, so a bite that was not full was the last one; what is
    stored after it the verification finds.
    """
    size = batch.pace.size
    with batch.pace.measured() as watch, transaction.atomic():
        _hold(batch)
        with _told_why(holding, erasures):
            taken = bite(holding, erasures=erasures, size=size, watch=watch)
        if taken < size:
            ErasureStep.objects.filter(
                erasure__in=list(erasures.values()), holding=holding.key
            ).update(done=True)
    return taken < size


def _told_why(holding: Holding, erasures: Mapping[UUID, UUID]) -> AbstractContextManager[None]:
    """Tells tables that count their rows whose may go now, and because of which erasures."""
    if not holding.lasting:
        return nullcontext()
    return because(Reason.ERASED, refs=erasures.values(), subjects=erasures)


def _hold(batch: _Batch) -> None:
    """Renew the lease. Raises `LeaseLost`."""
    renewed = Erasure.objects.filter(batch.rows).update(lease_until=batch.clock.now() + LEASE)
    if renewed != len(batch.erasures):
        raise LeaseLost


def _finish(batch: _Batch, worked: Worked) -> None:
    """Ask every holding again; end those erasures that are clean, send the others back."""
    Erasure.objects.filter(batch.rows).update(state=Erasure.State.VERIFYING)
    with transaction.atomic():
        _hold(batch)
        # New rows refer to the subject, so their writers wait for this lock.
        subjects = list(
            Subject.objects.select_for_update()
            .filter(pk__in=list(batch.erasures))
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        left: dict[UUID, list[str]] = {}
        suspects = unfinished(subjects)
        for holding in erasing_order():
            for subject in left_of(holding, subjects) if holding.key in suspects else ():
                left.setdefault(subject, []).append(holding.key)
        clean = {s: e for s, e in batch.erasures.items() if s not in left}
        waiting = [clean.pop(subject) for subject in held_back(clean)]
        _end(clean, batch)
        _again(Q(pk__in=waiting, claim=batch.token), error="same person", now=batch.clock.now())
        for subject, keys in left.items():
            _send_back(batch.erasures[subject], keys, batch)
    worked.done += clean.values()
    worked.failed += [*(batch.erasures[s] for s in left), *waiting]


def _end(clean: Mapping[UUID, UUID], batch: _Batch) -> None:
    """The last transaction of erasures that are verified."""
    now = batch.clock.now()
    reasons = dict(Erasure.objects.filter(pk__in=clean.values()).values_list("pk", "reason"))
    rows: dict[UUID, dict[str, int]] = {erasure: {} for erasure in clean.values()}
    steps = ErasureStep.objects.filter(erasure__in=list(clean.values()), rows__gt=0)
    for erasure, holding, count in steps.values_list("erasure_id", "holding", "rows"):
        rows[erasure][holding] = count
    Subject.objects.filter(pk__in=list(clean)).update(erased_at=now)
    Erasure.objects.filter(batch.rows, pk__in=list(clean.values())).update(
        state=Erasure.State.DONE, finished_at=now, claim=None, lease_until=None, error=""
    )
    Tombstone.objects.bulk_create(
        Tombstone(subject_id=s, erasure_id=e, at=now, reason=reasons[e], rows=rows[e])
        for s, e in clean.items()
    )
    record_many([_told(s, e, reasons[e], rows[e], now) for s, e in clean.items()])
    for subject, erasure in clean.items():
        signals.erased.send(sender=Erasure, subject_id=subject, erasure_id=erasure, at=now)


def _told(
    subject: UUID, erasure: UUID, reason: str, rows: dict[str, int], now: datetime
) -> AuditEntry:
    return AuditEntry(
        at=now,
        actor_kind=SYSTEM.kind,
        actor_id=SYSTEM.id,
        verb="retention.erased",
        object_type=Erasure._meta.label_lower,
        object_id=str(erasure),
        subject_id=subject,
        facts={"reason": reason, "rows": rows, "verified": True},
    )


def _send_back(erasure: UUID, keys: list[str], batch: _Batch) -> None:
    """Something was stored meanwhile, or a step did not do what it should: another round."""
    ErasureStep.objects.filter(erasure=erasure, holding__in=keys).update(done=False)
    _again(Q(pk=erasure, claim=batch.token), error="rows left", now=batch.clock.now())
    log.warning("erasure not clean", erasure=str(erasure), holdings=keys)


def _failed(batch: _Batch, *, error: str) -> None:
    """A step raised: every erasure of the batch is tried again alone, later each time."""
    _again(batch.rows, error=error, now=batch.clock.now())


def _again(which: Q, *, error: str, now: datetime) -> None:
    with transaction.atomic():
        for erasure in Erasure.objects.select_for_update().filter(which):
            attempts = erasure.attempts + 1
            # A database that was away, or mail that ended meanwhile, is no lasting trouble: three
            # further rounds come at once, the next ones after 1, 2, 4 … minutes.
            wait = timedelta(minutes=2**attempts // 16)
            Erasure.objects.filter(pk=erasure.pk).update(
                state=Erasure.State.RUNNING,
                attempts=F("attempts") + 1,
                error=error,
                claim=None,
                lease_until=now + min(wait, LONGEST_WAIT) if wait else None,
            )
            if attempts >= ALARM_AFTER:
                log.error("erasure stuck", erasure=str(erasure.pk), attempts=attempts, error=error)
