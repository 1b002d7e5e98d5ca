"""Seeded schedules: who is killed at which instant, and what for.

Everything is drawn from `random.Random(seed)`, so a seed that failed draws the same again. The
instants are the same, too; what a process is doing at them is the machine's.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from config.processes import wait_until
from tests.faults.planter import Planter
from tests.faults.site import Site
from tests.faults.visitors import Visitors
from tests.faults.work import KINDS, Work, plant

# Target → how likely it is. A `head` dies without its children, a `hand` without its parent.
TARGETS = {
    "worker": 5,
    "worker-head": 3,
    "worker-hand": 5,
    "beat": 2,
    "web": 3,
    "valkey": 3,
    "postgres": 4,
    "backend": 4,
}
PROMISE = 60.0  # seconds from the last restart to the end of all work, beside the work's own time
OWN_TIME = 15.0


@dataclass(frozen=True)
class Kill:
    """One SIGKILL.

    when: which of the schedule's works has to be under way, if any. after: seconds waited before
    it (and after the work was seen to be under way). away: seconds until it is started again.
    """

    target: str
    when: int | None
    after: float
    away: float


@dataclass(frozen=True)
class Schedule:
    """What one seed means."""

    seed: int
    kinds: tuple[type[Work], ...]
    visitors: int
    kills: tuple[Kill, ...]

    @classmethod
    def drawn(cls, seed: int) -> tuple[Schedule, random.Random]:
        """The schedule of a seed, and its generator for the sizes of the works."""
        rng = random.Random(seed)
        kinds = tuple(rng.sample(KINDS, rng.randint(2, len(KINDS))))
        kills = []
        for _number in range(rng.randint(3, 6)):
            aimed = rng.random() < 0.6
            kills.append(
                Kill(
                    target=rng.choices(list(TARGETS), list(TARGETS.values()))[0],
                    when=rng.randrange(len(kinds)) if aimed else None,
                    after=rng.uniform(0, 0.5) if aimed else rng.uniform(0, 1.5),
                    away=rng.choice([0.0, rng.uniform(0, 1), rng.uniform(0, 3)]),
                )
            )
        return cls(seed, kinds, rng.randint(2, 6), tuple(kills)), rng


@dataclass
class Outcome:
    """What a schedule took, for the report."""

    seconds: float
    healed: float
    lines: list[str]


def run(seed: int, *, site: Site, planter: Planter) -> Outcome:
    """Plant, kill, restart, wait; then everything must be true. Raises AssertionError."""
    schedule, rng = Schedule.drawn(seed)
    began = time.monotonic()
    visitors = Visitors.planted(site, planter, seed=seed, people=schedule.visitors)
    visitors.start()
    works = plant(schedule.kinds, seed=seed, site=site, planter=planter, rng=rng)
    lines = [_carry_out(kill, site=site, works=works) for kill in schedule.kills]
    site.start_all()
    restarted = time.monotonic()
    wait_for_end(works, seconds=PROMISE + OWN_TIME, story=lines)
    healed = time.monotonic() - restarted
    visitors.finish(seconds=PROMISE)
    for work in works:
        work.check(planter)
    visitors.check()
    return Outcome(time.monotonic() - began, healed, lines)


def _carry_out(kill: Kill, *, site: Site, works: Sequence[Work]) -> str:
    """One kill and the restart after it; in words what happened."""
    seen = ""
    if kill.when is not None:
        work = works[kill.when]
        caught = wait_until(work.is_under_way, seconds=1.5, every=0.05)
        seen = f" during {type(work).__name__}" if caught else ""
    time.sleep(kill.after)
    again = site.kill(kill.target)
    time.sleep(kill.away)
    # Whatever is not running is started: a process may have ended because another one did.
    site.start_all()
    return f"{kill.target}{seen}, {again or 'nobody'} started again after {kill.away:.1f} s"


def wait_for_end(works: Sequence[Work], *, seconds: float, story: Sequence[str] = ()) -> None:
    """Until no work has anything left; AssertionError that says what is left after `seconds`."""
    left: dict[str, dict[str, int]] = {}

    def done() -> bool:
        left.clear()
        for work in works:
            work.site.start_ended()
            if open_ones := {what: count for what, count in work.left().items() if count}:
                left[type(work).__name__] = open_ones
        return not left

    in_time = wait_until(done, seconds=seconds, every=0.3)
    said = "\n".join(work.site.story() for work in works[:1])
    assert in_time, f"not done after {seconds:.0f} s: {left}; killed: {story}\n{said}"
