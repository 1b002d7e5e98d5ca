"""Runs that several workers share: taken over, joined, ended once, whatever happens to a tick."""

import os
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction

from accounts.models import Session
from audit.models import AuditEntry
from policy.models import PolicyVersion
from retention import schedule, sweep_history, sweep_runs, sweep_worker, tasks
from retention.clock import RunningClock
from retention.models import Brake, DayTaken, SweepRun, SweepShift, SweepStep, Tick
from retention.pace import Pace, first_size
from retention.sweep import Chunks, join, sweep
from retention.sweep_runs import LEASE
from retention.weight import weight
from tests.factories.retention import NOW, make_brake, make_run, make_sessions, make_version

pytestmark = pytest.mark.django_db

LONG_AGO = NOW - timedelta(days=900)
TWO = Chunks(first=2, largest=2)


@pytest.fixture
def rule() -> PolicyVersion:
    return make_version(period="1 day", effective_at=LONG_AGO)


def expired(count: int) -> None:
    make_sessions(None, count=count, expire=NOW - timedelta(days=2))


def swept() -> int:
    entries = AuditEntry.objects.filter(verb="retention.swept")
    return sum(entry.facts["rows"] for entry in entries)


def killed_in_the_third_chunk(work: Callable[[], object]) -> None:
    """Run it in a forked child that kills itself with its third chunk half done."""
    connections.close_all()
    real, calls = sweep_worker.record, []  # type: ignore[attr-defined]  # what the module calls

    def dies(**kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(**kwargs)

    child = os.fork()
    if child == 0:
        try:
            sweep_worker.record = dies  # type: ignore[attr-defined]
            work()
        finally:
            os._exit(1)
    _pid, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)


@pytest.mark.django_db(transaction=True)
def test_tick_ends_the_run_of_a_killed_worker_within_a_minute() -> None:
    make_version(period="1 day", effective_at=LONG_AGO)
    expired(10)

    def work() -> None:
        run = schedule.sweep_if_due(now=NOW, budget=timedelta())
        assert run is not None
        join(run_id=run.pk, now=NOW, chunks=TWO)

    killed_in_the_third_chunk(work)
    run = SweepRun.objects.get()
    taken = SweepStep.objects.get().rows
    assert (run.state, Session.objects.count()) == ("running", 10 - taken)
    assert 0 < taken <= 4
    tick = tasks.SCHEDULE["retention.sweep"]
    assert LEASE + tick < timedelta(minutes=1)

    ended = schedule.sweep_if_due(now=NOW + LEASE + tick)

    assert ended == run
    assert ended.state == SweepRun.State.DONE
    assert (SweepStep.objects.get().rows, swept(), Session.objects.count()) == (10, 10, 0)
    assert list(SweepShift.objects.filter(left_at=None)) == []
    assert sorted(SweepShift.objects.values_list("rows", flat=True)) == sorted(
        [0, taken, 10 - taken]
    )
    assert SweepRun.objects.count() == 1


def test_chunk_of_a_worker_that_overslept_is_undone(
    rule: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its shift was closed for it; others have gone on, so what it does must not count."""
    expired(6)
    real = sweep_worker.record  # type: ignore[attr-defined]
    calls: list[int] = []

    def sleeps(**kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            SweepShift.objects.filter(left_at=None).update(left_at=NOW + LEASE)
        return real(**kwargs)

    monkeypatch.setattr(sweep_worker, "record", sleeps)
    run = sweep(now=NOW, chunks=TWO, budget=timedelta(minutes=5))
    assert (run.steps.get().rows, swept(), Session.objects.count()) == (2, 2, 4)
    monkeypatch.undo()
    again = sweep(now=NOW + timedelta(minutes=1), chunks=TWO)
    assert (again.pk, again.state) == (run.pk, SweepRun.State.DONE)
    assert (again.steps.get().rows, swept(), Session.objects.count()) == (6, 6, 0)


def test_shift_renews_with_every_chunk_and_is_closed_when_its_lease_is_over(
    rule: PolicyVersion,
) -> None:
    run = sweep_runs.begin(now=NOW)
    first = sweep_runs.join(run_id=run.pk, clock=RunningClock(NOW))
    assert first is not None
    alive = NOW + LEASE - timedelta(seconds=5)
    assert sweep_runs.join(run_id=run.pk, clock=RunningClock(alive)) is not None
    assert SweepShift.objects.filter(left_at=None).count() == 2
    assert sweep_runs.join(run_id=run.pk, clock=RunningClock(NOW + 2 * LEASE)) is not None
    assert SweepShift.objects.filter(left_at=None).count() == 1
    with pytest.raises(sweep_runs.ShiftOver), transaction.atomic():
        sweep_runs.renew(first)


def test_second_sweep_joins_the_open_one(rule: PolicyVersion) -> None:
    expired(4)
    paused = sweep(now=NOW, budget=timedelta())
    assert paused.state == SweepRun.State.PAUSED
    joined = sweep(now=NOW + timedelta(hours=1))
    assert (joined.pk, joined.state, joined.started_at) == (paused.pk, SweepRun.State.DONE, NOW)
    assert sweep(now=NOW + timedelta(hours=2)).pk != paused.pk


def test_run_of_another_policy_is_left_to_a_new_one(rule: PolicyVersion) -> None:
    expired(4)
    paused = sweep(now=NOW, budget=timedelta())
    make_version(period="1 hour", effective_at=NOW + timedelta(minutes=1))
    run = sweep(now=NOW + timedelta(minutes=2))
    paused.refresh_from_db()
    assert (paused.state, run.state) == (SweepRun.State.LEFT, SweepRun.State.DONE)
    assert Session.objects.count() == 0


def test_policy_that_changes_under_way_ends_the_run_before_the_next_step(
    rule: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    expired(6)
    real = sweep_worker.record  # type: ignore[attr-defined]

    def publishes(**kwargs: Any) -> Any:
        if PolicyVersion.objects.count() == 1:
            make_version(period="2 days", effective_at=NOW)
        return real(**kwargs)

    monkeypatch.setattr(sweep_worker, "record", publishes)
    monkeypatch.setattr(sweep_worker, "LOOK_EVERY", timedelta())
    run = sweep(now=NOW, chunks=TWO)
    states = SweepRun.objects.order_by("started_at").values_list("state", flat=True)
    assert list(states) == [SweepRun.State.LEFT, SweepRun.State.DONE]
    assert (run.state, swept(), Session.objects.count()) == (SweepRun.State.DONE, 6, 0)


def test_run_nobody_was_at_for_a_day_is_left_to_a_new_one(rule: PolicyVersion) -> None:
    old = sweep(now=NOW, budget=timedelta())
    new = sweep(now=NOW + timedelta(days=1))
    old.refresh_from_db()
    assert (old.state, new.state) == (SweepRun.State.LEFT, SweepRun.State.DONE)


def test_lost_and_doubled_ticks_change_nothing(rule: PolicyVersion) -> None:
    expired(3)
    for _ in range(3):
        schedule.sweep_if_due(now=NOW)
    # All ticks of a day are lost; the first that comes finds what is due.
    for _ in range(2):
        schedule.sweep_if_due(now=NOW + timedelta(days=2))
    assert [run.started_at for run in SweepRun.objects.order_by("started_at")] == [
        NOW,
        NOW + timedelta(days=2),
    ]
    assert Tick.objects.get().due_at == NOW + timedelta(days=3)
    assert swept() == 3


@pytest.mark.django_db(transaction=True)
def test_ticks_at_once_open_one_run() -> None:
    make_version(period="1 day", effective_at=LONG_AGO)
    expired(30)
    together = threading.Barrier(4)

    def tick() -> None:
        together.wait()
        try:
            schedule.sweep_if_due(now=NOW)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=tick) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert SweepRun.objects.get().state == SweepRun.State.DONE
    assert (swept(), SweepStep.objects.get().rows, Session.objects.count()) == (30, 30, 0)


def test_ticks_take_no_more_workers_than_they_may(rule: PolicyVersion, settings: Any) -> None:
    settings.KEPT_SWEEP_WORKERS = 2
    run = sweep_runs.begin(now=NOW)
    for _ in range(2):
        assert sweep_runs.join(run_id=run.pk, clock=RunningClock(NOW)) is not None
    assert schedule.sweep_if_due(now=NOW) is None
    settings.KEPT_SWEEP_WORKERS = 3
    assert schedule.sweep_if_due(now=NOW) == run


@pytest.mark.django_db(transaction=True)
def test_row_that_keeps_a_chunk_waiting_is_passed_by() -> None:
    """Somebody works with what hangs on a row: the others go, it is left to the next sweep."""
    make_version(period="1 day", effective_at=LONG_AGO)
    expired(3)
    stuck = Session.objects.order_by("expire_date", "pk")[1]
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE test_hanging (session varchar(40) PRIMARY KEY)")
        cursor.execute("INSERT INTO test_hanging VALUES (%s)", [stuck.pk])
        cursor.execute(
            "CREATE FUNCTION test_wait() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM FROM test_hanging WHERE session = OLD.session_key FOR UPDATE;"
            " RETURN OLD; END'"
        )
        cursor.execute(
            "CREATE TRIGGER test_wait BEFORE DELETE ON accounts_session"
            " FOR EACH ROW EXECUTE FUNCTION test_wait()"
        )
    done: list[SweepRun] = []

    def work() -> None:
        try:
            done.append(sweep(now=NOW))
        finally:
            connections.close_all()

    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT FROM test_hanging FOR UPDATE")
            thread = threading.Thread(target=work)
            thread.start()
            thread.join(timeout=60)
        assert [run.state for run in done] == [SweepRun.State.DONE]
        assert list(Session.objects.values_list("pk", flat=True)) == [stuck.pk]
        assert (done[0].steps.get().rows, done[0].steps.get().error) == (2, "")
        assert sweep(now=NOW).steps.get().rows == 1
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER test_wait ON accounts_session")
            cursor.execute("DROP FUNCTION test_wait()")
            cursor.execute("DROP TABLE test_hanging")


def test_statement_that_takes_too_long_is_tried_again_smaller(
    rule: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    expired(40)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION test_slow() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_sleep(0.02); RETURN OLD; END'"
        )
        cursor.execute(
            "CREATE TRIGGER test_slow BEFORE DELETE ON accounts_session"
            " FOR EACH ROW EXECUTE FUNCTION test_slow()"
        )
    run = sweep(now=NOW)
    step = run.steps.get()
    assert (run.state, step.rows, step.error) == (SweepRun.State.DONE, 40, "")
    assert step.chunks > 3
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


def test_pace_grows_slowly_shrinks_at_once_and_leaves_one_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pace = Pace(first=1, largest=100)
    sizes = []
    for _ in range(5):
        with pace.measured():
            pass
        sizes.append(pace.size)
    assert sizes == [2, 4, 7, 11, 17]
    assert pace.shrink()
    assert pace.size == 4
    assert (pace.shrink(), pace.size) == (True, 1)
    assert (pace.shrink(), pace.size) == (False, 1)


def test_time_spent_choosing_does_not_make_chunks_smaller() -> None:
    pace = Pace(first=100)
    with pace.measured() as watch:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.3)")
        watch.chosen()
    assert pace.size == 151
    assert pace.longest >= 0.3


def test_heavy_rows_begin_in_small_chunks() -> None:
    assert [first_size(w) for w in (1.0, 4.0, 1000.0)] == [200, 50, 10]
    make_run()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE retention_sweeprun")
    assert weight(SweepRun) > 1.0


def test_history_ends(rule: PolicyVersion) -> None:
    old = NOW - sweep_history.KEPT - timedelta(seconds=1)
    counted = NOW - sweep_history.COUNTED_KEPT - timedelta(seconds=1)
    make_run(started_at=old, finished_at=old)
    make_run(started_at=counted, finished_at=counted, dry_run=True)
    kept = make_run(started_at=counted, finished_at=counted)
    make_brake(state=Brake.State.LAPSED, closed_at=old)
    standing = make_brake(braked_at=old)
    DayTaken.objects.create(table="accounts_session", day=(old - timedelta(days=1)).date())
    assert sweep_history.end_old(now=NOW) == 2
    assert list(SweepRun.objects.all()) == [kept]
    assert list(Brake.objects.all()) == [standing]
    assert not DayTaken.objects.exists()


def test_days_are_those_of_the_operators_calendar(rule: PolicyVersion) -> None:
    zone = make_version(period=None, effective_at=LONG_AGO, zone="Europe/Berlin").document.zone
    for at, rows in ((NOW.replace(hour=22, minute=59), 3), (NOW.replace(hour=23), 5)):
        run = make_run(started_at=at, finished_at=at)
        SweepStep.objects.create(
            run=run,
            holding="accounts.session",
            clock="expired",
            action="delete",
            rule_digest="",
            policy_digest="",
            until=at,
            rows=rows,
        )
    bars = sweep_history.days(now=NOW + timedelta(days=1), zone=zone)
    assert [bar.rows for bar in bars[-2:]] == [3, 5]
    assert len(bars) == sweep_history.DAYS
    assert bars[-1].height == sweep_history.HEIGHT
