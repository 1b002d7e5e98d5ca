"""Two beats and two workers at once: nothing happens twice."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from config.processes import Command, site_commands
from tests.faults import bystanders
from tests.faults.planter import Planter
from tests.faults.schedule import wait_for_end
from tests.faults.site import Site
from tests.faults.work import KINDS, plant

pytestmark = pytest.mark.slow
SEED = 0x300000


@pytest.fixture
def doubled(site: Site) -> Iterator[Site]:
    """The site with a second beat and a second worker, which end with the test."""
    again = site_commands(
        port=0, mail_port=0, mail_folder=site.mail_folder, state=site.folder / "second"
    )
    (site.folder / "second").mkdir(exist_ok=True)
    names = []
    for command in again:
        if command.name in ("beat", "worker"):
            name = f"second {command.name}"
            words = [*command.words, *(["-n", "second@%h"] if command.name == "worker" else [])]
            site.start_command(Command(name, words, command.patience))
            names.append(name)
    yield site
    for name in names:
        site.kill(name)
        del site.processes.running[name]


def test_nothing_happens_twice(doubled: Site, planter: Planter) -> None:
    before = bystanders.digests(doubled)
    for round_ in range(2):
        rng = random.Random(SEED + round_)
        works = plant(KINDS, seed=SEED + round_, site=doubled, planter=planter, rng=rng)
        wait_for_end(works, seconds=75)
        for work in works:
            work.check(planter)
    assert bystanders.digests(doubled) == before
