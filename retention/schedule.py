"""The daily sweep: due by a row in Postgres, whoever ticks and however often.

A tick looks at what stands there: an open run that lacks workers is joined, whoever opened it and
whoever died over it; a day whose sweep is due gets its run. Opening the run moves the due time on
in the same transaction, so a tick that comes twice finds nothing to do, and one that is lost is
made up for by the next.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q

from datamap.dispatch import send_on_commit
from policy import current
from policy.current import NoPolicy
from retention import sweep_history, sweep_runs, ticks
from retention.models import SweepRun, Tick
from retention.sweep import join

NAME = "retention.sweep"
INTERVAL = timedelta(days=1)
# Of one task, which then queues again behind whatever else waits: a sweep of hours must not keep
# mail and erasures from the workers.
BUDGET = timedelta(seconds=20)


def sweep_if_due(*, now: datetime, budget: timedelta = BUDGET) -> SweepRun | None:
    """Work at the sweep that is open or due, for about `budget`; None when there is none for us."""
    try:
        run = _waiting(now=now)
    except NoPolicy:
        return None
    if run is None:
        return None
    run = join(run_id=run.pk, now=now, budget=budget)
    if run.state == SweepRun.State.PAUSED:
        send_on_commit(current_app.tasks[NAME])
    return run


def next_due() -> datetime | None:
    """When the next sweep is due; None when none ever ran."""
    return Tick.objects.filter(name=NAME).values_list("due_at", flat=True).first()


def _waiting(*, now: datetime) -> SweepRun | None:
    """The oldest open run that lacks workers, or the day's new one if that is due."""
    version = current.fresh(now)
    busy = Count("shifts", filter=Q(shifts__left_at=None, shifts__lease_until__gt=now))
    opened = list(SweepRun.objects.filter(state__in=SweepRun.OPEN).annotate(busy=busy))
    for run in sorted(opened, key=lambda r: r.started_at):
        if run.busy >= (1 if run.dry_run else settings.KEPT_SWEEP_WORKERS):
            continue
        if sweep_runs.outdated(run, version=version, now=now):
            return sweep_runs.begin(now=now, only=run.only)
        return run
    if any(not run.dry_run and run.only == "" for run in opened):
        return None
    with transaction.atomic():
        if not ticks.take(name=NAME, now=now, interval=INTERVAL):
            return None
        sweep_history.end_old(now=now)
        return sweep_runs.begin(now=now)
