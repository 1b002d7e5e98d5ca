"""Workers that are really killed, and workers side by side: nothing half done, nothing twice."""

import os
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from accounts.models import AgeVerdict, Session, User
from audit.log import SYSTEM
from audit.models import AuditEntry
from datamap.models import Subject
from retention import erase, erase_steps, erase_worker, sweep, sweep_worker, tasks
from retention.models import Erasure, SweepRun, SweepShift, SweepStep, Tombstone
from tests.factories.retention import NOW, make_person, make_sessions, make_version

pytestmark = pytest.mark.django_db(transaction=True)


def in_a_process_that_dies(work: Callable[[], object]) -> None:
    """Run it in a forked child that is expected to kill itself."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    _pid, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


def killing(real: Callable[..., Any], *, at: int) -> Callable[..., Any]:
    """The function, but its `at`-th call does its work and then kills the process: the work is
    done in an open transaction.
    """
    calls: list[int] = []

    def call(*args: Any, **kwargs: Any) -> Any:
        result = real(*args, **kwargs)
        calls.append(1)
        if len(calls) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return call


@pytest.mark.parametrize("at", [1, 2, 3, 5, 6])
def test_erasure_of_a_killed_worker_is_finished_by_another(
    at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = make_person("ada", sessions=7), make_person("bob")
    erasure = erase.start(subject_id=ada.subject_id, reason="request", actor=SYSTEM, now=NOW)
    monkeypatch.setattr(erase_worker, "bite", killing(erase_steps.bite, at=at))
    in_a_process_that_dies(lambda: erase.work(now=NOW, largest=2))
    monkeypatch.setattr(erase_worker, "bite", erase_steps.bite)

    assert erase.work(now=NOW + timedelta(seconds=5)).done == []
    # The lease and the tick's interval together are less than a minute.
    assert erase_worker.LEASE + tasks.SCHEDULE["retention.erase"] < timedelta(minutes=1)
    assert erase.work(now=NOW + erase_worker.LEASE + timedelta(seconds=10)).done == [erasure.pk]
    assert Tombstone.objects.get().rows == {
        "accounts.account": 1,
        "accounts.age": 1,
        "accounts.session": 7,
    }
    assert list(User.objects.all()) == [bob]
    assert (Session.objects.count(), AgeVerdict.objects.count()) == (2, 1)


def test_sweep_killed_with_an_open_transaction_counts_each_row_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_version(period="1 day", effective_at=NOW - timedelta(days=900))
    make_sessions(None, count=10, expire=NOW - timedelta(days=2))
    chunks = sweep.Chunks(first=2, largest=2)
    with monkeypatch.context() as patch:
        patch.setattr(sweep_worker, "record", killing(sweep_worker.record, at=3))  # type: ignore[attr-defined]
        in_a_process_that_dies(lambda: sweep.sweep(now=NOW, chunks=chunks))
    taken = SweepStep.objects.get().rows
    assert 0 < taken <= 4
    assert (SweepRun.objects.get().state, Session.objects.count()) == ("running", 10 - taken)
    # Whoever comes next goes on with the same run and ends it.
    run = sweep.sweep(now=NOW + timedelta(seconds=5), chunks=chunks)
    assert Session.objects.count() == 0
    assert (run.pk, run.state) == (SweepRun.objects.get().pk, "done")
    assert SweepStep.objects.get().rows == 10
    assert sorted(SweepShift.objects.values_list("rows", flat=True)) == sorted([taken, 10 - taken])
    swept = AuditEntry.objects.filter(verb="retention.swept")
    assert sum(entry.facts["rows"] for entry in swept) == 10


def test_two_workers_erase_many_people_once_each() -> None:
    people = [make_person(f"p{number}", sessions=1) for number in range(30)]
    bob = make_person("bob")
    for user in people:
        erase.start(subject_id=user.subject_id, reason="request", actor=SYSTEM, now=NOW)
    done: list[Any] = []
    together = threading.Barrier(3)

    def work() -> None:
        together.wait()
        try:
            done.extend(erase.work(now=NOW, batch=4).done)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(done) == sorted(Erasure.objects.values_list("pk", flat=True))
    assert (len(done), Tombstone.objects.count()) == (30, 30)
    assert AuditEntry.objects.filter(verb="retention.erased").count() == 30
    assert list(User.objects.all()) == [bob]
    assert Subject.objects.filter(erased_at=None).count() == 1
