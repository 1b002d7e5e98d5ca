"""The daily sweep: due by a row in Postgres, whoever ticks and however often."""

from __future__ import annotations

from datetime import datetime, timedelta

from policy.current import NoPolicy
from retention import ticks
from retention.models import SweepRun, Tick
from retention.sweep import sweep

NAME = "retention.sweep"
INTERVAL = timedelta(days=1)
BUDGET = timedelta(minutes=4)  # of one task; below the broker's visibility time-out
LEASE = timedelta(minutes=10)


def sweep_if_due(*, now: datetime, budget: timedelta = BUDGET) -> SweepRun | None:
    """Sweep if that is due and nobody does it; None otherwise.

    A sweep out of time leaves the job due, so the next tick goes on. A worker that dies leaves
    its lease to run out.
    """
    token = ticks.claim(name=NAME, now=now, lease=LEASE)
    if token is None:
        return None
    try:
        run = sweep(now=now, budget=budget)
    except NoPolicy:
        ticks.give_back(name=NAME, token=token)
        return None
    if run.state == SweepRun.State.PAUSED:
        ticks.give_back(name=NAME, token=token)
    else:
        ticks.finish(name=NAME, token=token, now=now, next_due=now + INTERVAL)
    return run


def next_due() -> datetime | None:
    """When the next sweep is due; None when none ever ran."""
    return Tick.objects.filter(name=NAME).values_list("due_at", flat=True).first()
