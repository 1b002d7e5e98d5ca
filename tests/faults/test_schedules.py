"""Worker, beat, web, Valkey and Postgres killed at random instants while work is under way.

Ten seeds in every run of the tests; `make test-slow` runs sixty others. One seed alone, as its
failure says: KEPT_FAULT_SEEDS=17 .venv/bin/pytest tests/faults/test_schedules.py -n 0
"""

from __future__ import annotations

import os

import pytest

from tests.faults import bystanders, schedule
from tests.faults.planter import Planter
from tests.faults.site import Site

pytestmark = pytest.mark.slow
ALONE = "KEPT_FAULT_SEEDS={} .venv/bin/pytest tests/faults/test_schedules.py -n 0"


def seeds() -> list[int]:
    """`KEPT_FAULT_SEEDS`: numbers and ranges, `3,11-20`; without it the ten of every run."""
    found: list[int] = []
    for part in os.environ.get("KEPT_FAULT_SEEDS", "1-10").split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


@pytest.mark.parametrize("seed", seeds())
def test_nothing_is_lost_half_done_or_done_twice(
    seed: int, site: Site, planter: Planter, capsys: pytest.CaptureFixture[str]
) -> None:
    before = bystanders.digests(site)
    try:
        outcome = schedule.run(seed, site=site, planter=planter)
        assert bystanders.digests(site) == before
    except BaseException:
        print(f"\nthis seed alone: {ALONE.format(seed)}")
        raise
    with capsys.disabled():
        took = f"{outcome.seconds:.0f} s, all done {outcome.healed:.0f} s after the last restart"
        print(f"\nseed {seed}: {took}; killed: {'; '.join(outcome.lines)}")
