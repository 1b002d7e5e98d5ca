"""Erasing a person: whole, verified, once, and nobody else."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Session, User
from audit.log import SYSTEM
from audit.models import AuditEntry
from datamap import registry
from datamap.models import Subject
from retention import erase, erase_steps, erase_worker
from retention.clock import RunningClock
from retention.models import Erasure, ErasureStep, Tombstone
from retention.pace import Watch
from retention.signals import erased
from tests.factories.retention import NOW, make_person, make_sessions, table_digests

pytestmark = pytest.mark.django_db


def start(user: User, **more: Any) -> Erasure:
    return erase.start(subject_id=user.subject_id, reason="request", actor=SYSTEM, now=NOW, **more)


def left(subject_id: UUID) -> list[str]:
    return [h.key for h in registry.holdings() if h.rows_to_erase([subject_id]).exists()]


def test_erase_leaves_no_row_in_any_holding() -> None:
    ada = make_person()
    erasure = start(ada)

    worked = erase.work(now=NOW)

    assert (worked.done, worked.failed) == ([erasure.pk], [])
    assert left(ada.subject_id) == []
    erasure.refresh_from_db()
    assert erasure.state == Erasure.State.DONE
    subject = Subject.objects.get(pk=ada.subject_id)
    assert subject.erased_at == erasure.finished_at
    assert subject.locked
    stone = Tombstone.objects.get(subject_id=ada.subject_id)
    # The subject of this account was bare already: its address is the account's.
    assert stone.rows == {"accounts.account": 1, "accounts.age": 1, "accounts.session": 2}
    assert AuditEntry.objects.filter(verb="retention.erased", subject_id=subject.pk).count() == 1


def test_erase_touches_nobody_elses_rows() -> None:
    make_person("bob")
    make_sessions(None, count=2, expire=NOW)
    before = table_digests()
    ada = make_person("ada")
    own = {str(ada.pk), str(ada.subject_id)}
    start(ada)
    erase.work(now=NOW)
    after = table_digests()
    changed = {table for table in before if before[table] != after[table]}
    assert changed == {
        "audit_auditentry",
        "audit_movement",
        "audit_unsealed",
        "datamap_subject",
        "retention_erasure",
        "retention_erasurestep",
        "retention_tombstone",
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM accounts_user u WHERE u::text ~ %s", ["|".join(own)])
        assert cursor.fetchone() == (0,)


def test_starting_twice_gives_one_erasure_brought_forward() -> None:
    ada = make_person()
    later = start(ada, due_at=NOW + timedelta(days=7))
    sooner = start(ada)
    assert sooner.pk == later.pk
    assert sooner.due_at == NOW
    erase.work(now=NOW)
    assert start(ada).pk == later.pk
    assert Erasure.objects.count() == 1
    assert Tombstone.objects.count() == 1


def test_erasure_waits_for_its_undo_window_and_can_be_cancelled() -> None:
    ada = make_person()
    erasure = start(ada, due_at=NOW + timedelta(days=7))
    before = NOW + timedelta(days=7) - timedelta(seconds=1)
    assert erase.work(now=before - timedelta(hours=1)).done == []
    cancelled = erase.cancel(erasure_id=erasure.pk, actor=SYSTEM, now=NOW)
    assert cancelled.state == Erasure.State.CANCELLED
    assert erase.work(now=NOW + timedelta(days=8)).done == []
    assert User.objects.filter(pk=ada.pk).exists()


def test_begun_erasure_cannot_be_cancelled() -> None:
    erasure = start(make_person())
    erase.work(now=NOW)
    with pytest.raises(erase.AlreadyBegun) as caught:
        erase.cancel(erasure_id=erasure.pk, actor=SYSTEM, now=NOW)
    assert caught.value.state == "done"


class Killed(BaseException):
    """Ends the work where it is, as a kill would: nothing catches it."""


@pytest.mark.parametrize("after_bites", range(0, 24, 3))
def test_erasure_killed_mid_way_is_resumed_and_counts_once(
    after_bites: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = make_person("ada"), make_person("bob")
    make_sessions(ada, count=5, expire=NOW + timedelta(days=1))
    erasure = start(ada)
    real = erase_steps.bite
    bites: list[int] = []

    def dies(*args: Any, **kwargs: Any) -> int:
        if len(bites) == after_bites:
            raise Killed
        bites.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(erase_worker, "bite", dies)
    try:
        erase.work(now=NOW, largest=2)
    except Killed:
        monkeypatch.setattr(erase_worker, "bite", real)
        # The dead worker's lease still runs: nobody takes the erasure over yet.
        assert erase.work(now=NOW).done == []
        assert erase.work(now=NOW + timedelta(minutes=6), largest=2).done == [erasure.pk]
    assert left(ada.subject_id) == []
    assert Tombstone.objects.get().rows == {
        "accounts.account": 1,
        "accounts.age": 1,
        "accounts.session": 7,
    }
    assert Session.objects.filter(user=bob).count() == 2


def test_rows_stored_meanwhile_send_the_erasure_back(monkeypatch: pytest.MonkeyPatch) -> None:
    ada = make_person()
    erasure = start(ada)
    real = erase_worker._finish
    writes = [1]

    def somebody_writes_first(batch: Any, worked: Any) -> None:
        if writes:
            writes.pop()
            Subject.objects.filter(pk=ada.subject_id).update(email="ada@example.com")
        real(batch, worked)

    monkeypatch.setattr(erase_worker, "_finish", somebody_writes_first)
    worked = erase.work(now=NOW)
    assert worked.failed == [erasure.pk]
    assert worked.done == [erasure.pk]
    erasure.refresh_from_db()
    assert erasure.attempts == 1
    assert Subject.objects.get(pk=ada.subject_id).email is None


def test_failing_step_leaves_the_others_done_and_is_tried_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada, bob = make_person("ada"), make_person("bob")
    broken, fine = start(ada), start(bob)
    real = erase_steps.bite

    def fails_for_ada(holding: Any, *, erasures: Any, **more: Any) -> int:
        if ada.subject_id in erasures and holding.key == "accounts.account":
            raise RuntimeError
        return real(holding, erasures=erasures, **more)

    monkeypatch.setattr(erase_worker, "bite", fails_for_ada)
    worked = erase.work(now=NOW)
    assert worked.done == [fine.pk]
    broken.refresh_from_db()
    assert broken.error == "RuntimeError"
    assert broken.lease_until is not None
    assert broken.lease_until > NOW
    monkeypatch.setattr(erase_worker, "bite", real)
    assert erase.work(now=NOW + timedelta(hours=1)).done == [broken.pk]


def test_worker_that_lost_its_lease_cannot_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    ada = make_person()
    erasure = start(ada)
    real = erase_steps.bite

    def sleeps_too_long(*args: Any, **kwargs: Any) -> int:
        monkeypatch.setattr(erase_worker, "bite", real)
        done = erase.work(now=NOW + timedelta(minutes=6)).done
        assert done == [erasure.pk]
        return real(*args, **kwargs)

    monkeypatch.setattr(erase_worker, "bite", sleeps_too_long)
    assert erase.work(now=NOW).done == []
    assert Tombstone.objects.count() == 1


@pytest.mark.parametrize("at", ["_carry_out", "_one_bite", "_finish"])
def test_worker_that_overslept_changes_nothing_at_all(
    monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    ada = make_person()
    erasure = start(ada)
    real = getattr(erase_worker, at)
    finished: list[dict[str, tuple[int, str]]] = []

    def sleeps_too_long(*args: Any) -> Any:
        monkeypatch.setattr(erase_worker, at, real)
        assert erase.work(now=NOW + timedelta(minutes=6)).done == [erasure.pk]
        finished.append(table_digests())
        return real(*args)

    monkeypatch.setattr(erase_worker, at, sleeps_too_long)
    assert erase.work(now=NOW).done == []
    assert [table_digests()] == finished


def test_receiver_that_fails_keeps_the_erasure_open() -> None:
    ada = make_person()
    erasure = start(ada)

    def refuses(**kwargs: Any) -> None:
        raise RuntimeError

    erased.connect(refuses)
    try:
        assert erase.work(now=NOW).done == []
    finally:
        erased.disconnect(refuses)
    assert Subject.objects.get(pk=ada.subject_id).erased_at is None
    assert erase.work(now=NOW + timedelta(hours=1)).done == [erasure.pk]


def test_preview_counts_and_changes_nothing() -> None:
    ada = make_person()
    before = table_digests()
    rows = {s.holding: s.rows for s in erase.preview(subject_id=ada.subject_id) if s.rows}
    assert rows == {
        "accounts.account": 1,
        "accounts.age": 1,
        "accounts.session": 2,
        "datamap.subject": 1,
    }
    assert table_digests() == before


def test_choosing_among_many_rows_does_not_make_bites_small() -> None:
    """It takes as long for one row of a hundred thousand as for a thousand of them."""
    user = make_person()
    make_sessions(user, count=3, expire=NOW)
    erasure, watch = start(user), Watch(0.0, 0.0)
    erase_worker._claim(clock=RunningClock(NOW), batch=1, largest=10)
    steps = {user.subject_id: erasure.pk}
    with CaptureQueriesContext(connection) as queries:
        size = erase_steps.bite(
            registry.holding("accounts.session"), erasures=steps, size=2, watch=watch
        )
    assert (size, watch.started) == (2, 0.0)
    assert watch.began > 0.0
    assert "FOR UPDATE" in queries[0]["sql"]


def test_queries_do_not_grow_with_rows_or_people() -> None:
    def queries(people: int, sessions: int) -> int:
        for number in range(people):
            start(make_person(f"p{people}-{sessions}-{number}", sessions=sessions))
        with CaptureQueriesContext(connection) as caught:
            assert len(erase.work(now=NOW).done) == people
        return len(caught)

    one = queries(1, 1)
    assert queries(1, 50) == one
    assert queries(10, 3) <= one + 9 * 5  # receivers of `erased` work person by person


def test_steps_run_before_what_they_refer_to() -> None:
    start(make_person())
    erase.work(now=NOW)
    position = dict(ErasureStep.objects.values_list("holding", "position"))
    assert position["accounts.session"] < position["accounts.account"]
    assert position["consent.choice"] < position["consent.event"] < position["datamap.subject"]
    assert max(position, key=lambda key: position[key]) != "accounts.session"
