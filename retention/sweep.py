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

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from datamap import registry
from policy.models import PolicyVersion
from retention import sweep_runs
from retention.clock import RunningClock
from retention.models import SweepRun
from retention.pace import FIRST, LARGEST
from retention.sweep_runs import ShiftOver
from retention.sweep_worker import OutOfTime, Stint

log = structlog.get_logger(__name__)
PATIENCE_SECONDS = 0.2


@dataclass(frozen=True)
class Chunks:
    """How many rows one transaction takes: at first, and at most."""

    first: int = FIRST
    largest: int = LARGEST


def sweep(
    *,
    now: datetime,
    holding: str | None = None,
    dry_run: bool = False,
    budget: timedelta | None = None,
    chunks: Chunks = Chunks(),
) -> SweepRun:
    """Carry out every rule that is due, or those over one holding; returns what was done.

    A sweep that is open over the same rules is joined; without a budget, its end is waited for.
    dry_run: count exactly and change nothing. budget: stop after about this long; the run is then
    `paused` if nobody else is at it, and whoever comes next goes on. Raises
    `policy.current.NoPolicy`, `datamap.registry.UnknownHolding`.
    """
    only = registry.holding(holding).key if holding else ""
    clock, at = RunningClock(now), now
    while True:
        run = sweep_runs.begin(now=at, only=only, dry_run=dry_run)
        run = join(run_id=run.pk, now=clock.now(), budget=budget, chunks=chunks)
        while budget is None and run.state in SweepRun.OPEN:
            time.sleep(PATIENCE_SECONDS)  # others hold what is left, or died with it
            run = join(run_id=run.pk, now=clock.now(), chunks=chunks)
        if budget is not None or run.state != SweepRun.State.LEFT:
            return run
        at = clock.now()  # another policy came into force meanwhile


def join(
    *,
    run_id: UUID,
    now: datetime,
    budget: timedelta | None = None,
    chunks: Chunks = Chunks(),
    count_seconds: float | None = None,
) -> SweepRun:
    """Work at a run until there is nothing left for one more worker, or the budget is spent.

    count_seconds: in a dry run, leave tables whose count takes longer to somebody else.
    """
    shift = sweep_runs.join(run_id=run_id, clock=RunningClock(now))
    if shift is None:
        return SweepRun.objects.get(pk=run_id)
    version = PolicyVersion.objects.get(digest=shift.run.policy_digest)
    try:
        while not (budget is not None and shift.clock.spent >= budget):
            step = sweep_runs.next_step(shift)
            if step is None:
                break
            Stint(
                shift,
                step,
                version=version,
                budget=budget,
                first=chunks.first,
                largest=chunks.largest,
                count_seconds=count_seconds,
            ).carry_out()
    except OutOfTime:
        pass
    except ShiftOver:
        log.warning("sweep shift over", run=str(run_id))
    sweep_runs.leave(shift)
    return SweepRun.objects.get(pk=run_id)
