"""Ticks: one sweep a day, however many beats and whoever dies."""

import threading
from datetime import timedelta

import pytest
from django.db import connections

from policy.models import PolicyVersion
from retention import schedule, ticks
from retention.models import SweepRun, Tick
from retention.tasks import SCHEDULE, children_tick, erase_tick, sweep_tick
from tests.factories.retention import NOW, make_sessions, make_version

pytestmark = pytest.mark.django_db

LEASE = timedelta(minutes=10)


def test_sweep_runs_once_a_day(wecustomers: PolicyVersion) -> None:
    assert schedule.sweep_if_due(now=NOW) is not None
    assert schedule.sweep_if_due(now=NOW + timedelta(hours=23)) is None
    assert schedule.next_due() == NOW + timedelta(days=1)
    assert schedule.sweep_if_due(now=NOW + timedelta(days=1)) is not None
    assert SweepRun.objects.count() == 2


def test_sweep_out_of_time_stays_due(wecustomers: PolicyVersion) -> None:
    make_sessions(None, count=1, expire=NOW - timedelta(days=2))
    paused = schedule.sweep_if_due(now=NOW, budget=timedelta())
    assert paused is not None
    assert paused.state == SweepRun.State.PAUSED
    again = schedule.sweep_if_due(now=NOW)
    assert again is not None
    assert again.state == SweepRun.State.DONE


def test_sweep_waits_for_the_first_policy(db: None) -> None:
    assert schedule.sweep_if_due(now=NOW) is None
    make_version(period="1 day", effective_at=NOW)
    assert schedule.sweep_if_due(now=NOW) is not None


def test_job_of_a_dead_worker_can_be_claimed_when_its_lease_ends(db: None) -> None:
    first = ticks.claim(name="job", now=NOW, lease=LEASE)
    assert first is not None
    assert ticks.claim(name="job", now=NOW + LEASE - timedelta(seconds=1), lease=LEASE) is None
    second = ticks.claim(name="job", now=NOW + LEASE, lease=LEASE)
    assert second is not None
    assert not ticks.finish(name="job", token=first, now=NOW, next_due=NOW)
    assert ticks.finish(name="job", token=second, now=NOW + LEASE, next_due=NOW + 2 * LEASE)
    assert Tick.objects.get(name="job").due_at == NOW + 2 * LEASE


@pytest.mark.django_db(transaction=True)
def test_many_beats_at_once_give_one_claim() -> None:
    claims: list[object] = []
    together = threading.Barrier(4)

    def beat() -> None:
        together.wait()
        try:
            claims.append(ticks.claim(name="job", now=NOW, lease=LEASE))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=beat) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len([claim for claim in claims if claim is not None]) == 1


def test_every_scheduled_task_exists_and_runs(wecustomers: PolicyVersion) -> None:
    tasks = {task.name: task for task in (sweep_tick, erase_tick, children_tick)}
    assert set(tasks) == set(SCHEDULE)
    for task in tasks.values():
        task()
    assert SweepRun.objects.count() == 1
