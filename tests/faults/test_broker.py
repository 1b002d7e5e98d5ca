"""Valkey flushed, killed, stopped or frozen: people are answered, and all the work happens."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from config.processes import wait_until
from tests.faults.planter import Planter
from tests.faults.schedule import wait_for_end
from tests.faults.site import Answer, Site, ask
from tests.faults.visitors import Visitors
from tests.faults.work import KINDS, Children, Erasures, Letters, Work, plant

pytestmark = pytest.mark.slow
# Seconds more than otherwise: a page may wait once for a server that does not answer.
LONGEST = 2.0
SEED = 0x100000


def due(site: Site, planter: Planter, *kinds: type[Work], seed: int) -> list[Work]:
    """Works of these kinds."""
    rng = random.Random(seed)
    return plant(kinds, seed=SEED + seed, site=site, planter=planter, rng=rng)


def finish(works: list[Work], planter: Planter) -> None:
    wait_for_end(works, seconds=75)
    for work in works:
        work.check(planter)


def ready_again(site: Site, *, seconds: float) -> bool:
    """Whether beat, broker and worker pass on a task again: a new heartbeat arrives."""

    def ready() -> bool:
        site.start_ended()
        return ask(site, "/readyz?worker=1").status == 200

    return wait_until(ready, seconds=seconds)


@contextmanager
def valkey_away(site: Site, how: str) -> Iterator[None]:
    """Valkey is stopped, or takes connections and never answers."""
    if how == "stopped":
        site.stop("valkey")
    else:
        process = site.freeze("valkey")
    try:
        yield
    finally:
        site.start("valkey") if how == "stopped" else process.resume()


def test_work_that_was_due_happens_though_valkey_was_flushed(site: Site, planter: Planter) -> None:
    works = due(site, planter, *KINDS, seed=1)
    for _time in range(6):
        site.flush_valkey()
        time.sleep(0.4)
    finish(works, planter)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_worker_and_beat_come_back_by_themselves_after_valkey_was_killed(
    site: Site, planter: Planter, seed: int
) -> None:
    before = {name: site.processes.running[name][1].pid for name in ("worker", "beat", "web")}
    works = due(site, planter, Letters, seed=seed)
    time.sleep(random.Random(seed).uniform(0, 1.5))
    site.kill("valkey")
    time.sleep(random.Random(seed).uniform(0, 4))
    site.start("valkey")
    assert ready_again(site, seconds=30)
    finish([*works, *due(site, planter, Children, seed=seed)], planter)
    after = {name: site.processes.running[name][1].pid for name in ("worker", "beat", "web")}
    assert (before, site.processes.ended()) == (after, [])


PAGES = (
    ("/", ""),
    ("/policy/", ""),
    ("/policy/promises/", ""),
    ("/accounts/login/", ""),
    ("/accounts/age/", ""),
    ("/privacy/", "visitor"),
    ("/privacy/choices/", "visitor"),
    ("/privacy/requests/", "visitor"),
    ("/privacy/data/", "visitor"),
    ("/staff/", "staff"),
    ("/staff/requests/", "staff"),
    ("/healthz", ""),
    ("/readyz", ""),
)


def walk(site: Site, cookies: dict[str, str]) -> dict[str, Answer]:
    """Every kind of page, and the two forms whose use is counted."""
    seen = {path: ask(site, path, cookie=cookies.get(who, "")) for path, who in PAGES}
    wrong = {"login": "nobody@example.com", "password": "not the right one"}
    seen["sign in"] = ask(site, "/accounts/login/", fields=wrong)
    seen["reset"] = ask(site, "/accounts/password/reset/", fields={"email": wrong["login"]})
    return seen


@pytest.mark.parametrize(("how", "seed"), [("stopped", 5), ("frozen", 6)])
def test_people_are_answered_while_valkey_is_away(
    site: Site, planter: Planter, how: str, seed: int
) -> None:
    visitors = Visitors.planted(site, planter, seed=SEED + seed, people=3)
    (reviewer,) = planter.plant({"plant": "reviewer", "mark": f"f{SEED + seed + 100:07x}"})
    cookies = {"visitor": visitors.people[0].cookie, "staff": reviewer["cookie"]}
    before = walk(site, cookies)
    with valkey_away(site, how):
        works = due(site, planter, Erasures, seed=seed)
        seen = walk(site, cookies)
        visitors.start()
        visitors.finish(seconds=60)
        assert ask(site, "/readyz?worker=1").status == 503
    statuses = {path: answer.status for path, answer in seen.items()}
    assert statuses == dict.fromkeys(seen, 200) | {"reset": 302}
    waited = {path: answer.seconds - before[path].seconds for path, answer in seen.items()}
    assert {path: seconds for path, seconds in waited.items() if seconds > LONGEST} == {}
    assert ready_again(site, seconds=30)
    visitors.check()
    finish(works, planter)
