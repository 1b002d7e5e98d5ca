"""Postgres stopped: plain pages say so, and everything goes on by itself when it is back."""

from __future__ import annotations

import random
import time

import pytest

from config.processes import wait_until
from tests.faults.planter import Planter
from tests.faults.schedule import wait_for_end
from tests.faults.site import Site, ask
from tests.faults.visitors import Visitors
from tests.faults.work import KINDS, plant

pytestmark = pytest.mark.slow
SEED = 0x200000
NEEDS_IT = ("/privacy/", "/privacy/choices/", "/privacy/delete/", "/staff/requests/", "/readyz")


def test_everything_goes_on_by_itself_when_postgres_is_back(site: Site, planter: Planter) -> None:
    pids = {name: process.pid for name, (_c, process) in site.processes.running.items()}
    visitors = Visitors.planted(site, planter, seed=SEED, people=2)
    cookie = visitors.people[0].cookie
    works = plant(KINDS, seed=SEED, site=site, planter=planter, rng=random.Random(SEED))
    time.sleep(0.5)
    site.stop("postgres")
    visitors.start()
    answers = {path: ask(site, path, cookie=cookie) for path in NEEDS_IT}
    assert {path: answer.status for path, answer in answers.items()} == dict.fromkeys(NEEDS_IT, 503)
    assert max(answer.seconds for answer in answers.values()) < 5
    pages = [answer.body for path, answer in answers.items() if path != "/readyz"]
    assert all("We are away for a moment" in page for page in pages)
    assert not any("Traceback" in page or "psycopg" in page for page in pages)
    assert ask(site, "/healthz").status == 200
    time.sleep(10)
    site.start("postgres")

    back = wait_until(lambda: ask(site, "/privacy/", cookie=cookie).status == 200, seconds=10)
    assert back
    wait_for_end(works, seconds=75)
    visitors.finish(seconds=30)
    for work in works:
        work.check(planter)
    visitors.check()
    assert pids == {name: process.pid for name, (_c, process) in site.processes.running.items()}
    assert site.processes.ended() == []
