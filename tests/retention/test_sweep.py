"""The sweep against a slow model of the rules, interrupted, repeated, and side by side."""

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from accounts.models import Session, User
from audit import log
from audit.models import AuditEntry
from datamap.registry import UnknownHolding
from policy.current import NoPolicy
from policy.models import PolicyVersion
from retention import sweep_worker
from retention.models import Erasure, SweepRun, SweepShift, SweepStep
from retention.sweep import Chunks, sweep
from tests.factories.retention import (
    NOW,
    make_person,
    make_sessions,
    make_version,
    table_digests,
)

pytestmark = pytest.mark.django_db

TICK = timedelta(microseconds=1)
PERIODS = ("1 minute", "36 hours", "1 day", "10 days", "3 weeks", "5 business days", "1 month")
LONG = ("2 months", "13 months", "1 year")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
# Ends of months, a leap day, both changes of clocks.
MOMENTS = (
    datetime(2026, 3, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2024, 2, 29, 12, tzinfo=UTC),
    datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
    datetime(2025, 10, 26, 0, 30, tzinfo=UTC),
    datetime(2025, 11, 2, 6, 15, tzinfo=UTC),
    datetime(2026, 1, 1, tzinfo=UTC),
)


def is_due(at: datetime, now: datetime, versions: list[PolicyVersion]) -> bool:
    """The rules, row by row, as one would read them aloud."""
    in_force = [v for v in versions if v.effective_at <= at]
    own = in_force[-1] if in_force else versions[0]
    for version in versions:
        later = version.number > own.number and version.older_data_at <= now
        if version is not own and not later:
            continue
        for rule in version.document.retention:
            zone, holidays = version.document.zone, version.document.site.holidays
            if rule.period.after(at, zone=zone, holidays=holidays) <= now:
                return True
    return False


def borders(now: datetime, versions: list[PolicyVersion]) -> list[datetime]:
    """The instants at which anything about a row's fate can change."""
    found = [v.effective_at for v in versions]
    for version in versions:
        for rule in version.document.retention:
            zone, holidays = version.document.zone, version.document.site.holidays
            found.append(rule.period.last_start(now, zone=zone, holidays=holidays))
    return found


@pytest.mark.parametrize("seed", range(25))
def test_sweep_deletes_what_the_model_says(seed: int) -> None:
    dice = random.Random(seed)
    now = dice.choice(MOMENTS) + timedelta(hours=dice.choice((0, 0, 1, 7)))
    zone = dice.choice(ZONES)
    ages = sorted(dice.sample(range(1, 500), dice.choice((1, 2, 3))), reverse=True)
    versions = []
    for days in ages:
        period = dice.choice((*PERIODS, *LONG, *LONG, None))
        at = now - timedelta(days=days)
        older = at + timedelta(days=dice.choice((0, 0, 30)))
        version = make_version(period=period, effective_at=at, older_data_at=older, zone=zone)
        versions.append(version)
    times = [b + d * TICK for b in borders(now, versions) for d in (-1, 0, 1)]
    times += [now - timedelta(seconds=dice.randrange(700 * 86400)) for _ in range(30)]
    for at in times:
        make_sessions(None, count=1, expire=at)
    expected = {
        s.session_key for s in Session.objects.all() if is_due(s.expire_date, now, versions)
    }
    before = set(Session.objects.values_list("session_key", flat=True))

    counted = sweep(now=now, dry_run=True)
    assert set(Session.objects.values_list("session_key", flat=True)) == before
    run = sweep(now=now, chunks=Chunks(first=2, largest=2))

    left = set(Session.objects.values_list("session_key", flat=True))
    assert before - left == expected
    assert _rows(counted) == _rows(run) == len(expected)
    assert _rows(sweep(now=now)) == 0


def _rows(run: SweepRun) -> int:
    assert [s.error for s in run.steps.all() if s.error] == []
    return sum(step.rows for step in run.steps.all())


@pytest.fixture
def day_rule() -> PolicyVersion:
    return make_version(period="1 day", effective_at=NOW - timedelta(days=900))


def test_row_at_the_boundary_goes_and_one_tick_later_stays(day_rule: PolicyVersion) -> None:
    edge = NOW - timedelta(days=1)
    make_sessions(None, count=1, expire=edge)
    (stays,) = make_sessions(None, count=1, expire=edge + TICK)
    sweep(now=NOW)
    assert list(Session.objects.values_list("session_key", flat=True)) == [stays.session_key]


def test_longer_period_binds_only_what_comes_after_it() -> None:
    changed = NOW - timedelta(days=50)
    make_version(period="1 month", effective_at=NOW - timedelta(days=900))
    make_version(period="1 year", effective_at=changed)
    make_sessions(None, count=1, expire=changed - TICK)
    (newer,) = make_sessions(None, count=1, expire=changed)
    sweep(now=NOW)
    assert list(Session.objects.values_list("session_key", flat=True)) == [newer.session_key]


def test_shorter_period_binds_older_data_once_its_notice_is_over() -> None:
    changed = NOW - timedelta(days=10)
    make_version(period="1 year", effective_at=NOW - timedelta(days=900))
    make_version(period="1 day", effective_at=changed, older_data_at=changed + timedelta(days=30))
    make_sessions(None, count=1, expire=changed - timedelta(days=5))
    assert _rows(sweep(now=NOW)) == 0
    assert _rows(sweep(now=changed + timedelta(days=30))) == 1


def test_killed_sweep_has_counted_what_is_gone(
    day_rule: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_sessions(None, count=10, expire=NOW - timedelta(days=2))

    class Killed(BaseException):
        pass

    real = log.record
    calls: list[int] = []

    def dies(**kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise Killed
        return real(**kwargs)

    monkeypatch.setattr(sweep_worker, "record", dies)
    with pytest.raises(Killed):
        sweep(now=NOW, chunks=Chunks(first=2, largest=2))
    assert Session.objects.count() == 6
    assert SweepStep.objects.get().rows == 4
    assert _swept() == 4
    monkeypatch.setattr(sweep_worker, "record", real)
    assert _rows(sweep(now=NOW, chunks=Chunks(first=2, largest=2))) == 10
    assert SweepRun.objects.get().state == SweepRun.State.DONE
    assert Session.objects.count() == 0
    assert _swept() == 10


def _swept() -> int:
    entries = AuditEntry.objects.filter(verb="retention.swept")
    return sum(entry.facts["rows"] for entry in entries)


def test_audit_entry_names_the_rule_and_no_rows(day_rule: PolicyVersion) -> None:
    make_sessions(None, count=3, expire=NOW - timedelta(days=2))
    run = sweep(now=NOW)
    step = run.steps.get()
    entry = AuditEntry.objects.get(verb="retention.swept")
    assert entry.facts == {
        "holding": "accounts.session",
        "clock": "expired",
        "action": "delete",
        "rule": step.rule_digest,
        "rows": 3,
        "with_them": {},
    }
    assert step.policy_digest == day_rule.digest
    assert step.oldest == NOW - timedelta(days=2)


def test_sweep_touches_no_other_rows(day_rule: PolicyVersion) -> None:
    make_person("ada")
    make_sessions(None, count=2, expire=NOW)
    before = table_digests()
    make_sessions(None, count=5, expire=NOW - timedelta(days=2))
    sweep(now=NOW)
    after = table_digests()
    assert {t for t in before if before[t] != after[t]} == {
        "audit_auditentry",
        "audit_unsealed",
        "retention_daytaken",
        "retention_sweeprun",
        "retention_sweepshift",
        "retention_sweepstep",
    }


def test_queries_grow_with_chunks_and_not_with_rows(day_rule: PolicyVersion) -> None:
    def queries(rows: int) -> int:
        make_sessions(None, count=rows, expire=NOW - timedelta(days=2))
        with CaptureQueriesContext(connection) as caught:
            sweep(now=NOW)
        return len(caught)

    assert queries(1) == queries(150)


def test_sweep_stops_at_its_budget_and_goes_on_later(day_rule: PolicyVersion) -> None:
    make_sessions(None, count=5, expire=NOW - timedelta(days=2))
    assert sweep(now=NOW, budget=timedelta()).state == SweepRun.State.PAUSED
    assert Session.objects.count() == 5
    assert sweep(now=NOW).state == SweepRun.State.DONE
    assert Session.objects.count() == 0


def test_erase_rule_starts_one_erasure_per_person(wecustomers: PolicyVersion) -> None:
    ada = make_person("ada", unconfirmed_since=NOW - timedelta(days=8))
    make_person("bob", unconfirmed_since=NOW - timedelta(days=6))
    make_person("confirmed")
    run = sweep(now=NOW, holding="accounts.account")
    assert _rows(run) == 1
    erasure = Erasure.objects.get()
    assert (erasure.subject_id, erasure.reason, erasure.state) == (
        ada.subject_id,
        "period",
        "waiting",
    )
    assert _rows(sweep(now=NOW, holding="accounts.account")) == 0
    assert User.objects.count() == 3


def test_sweep_without_a_policy_or_holding_says_so(day_rule: PolicyVersion) -> None:
    with pytest.raises(UnknownHolding):
        sweep(now=NOW, holding="nothing.here")
    with pytest.raises(NoPolicy):
        sweep(now=NOW - timedelta(days=1000))


@pytest.mark.django_db(transaction=True)
def test_two_workers_share_the_rows_and_count_each_once() -> None:
    make_version(period="1 day", effective_at=NOW - timedelta(days=900))
    make_sessions(None, count=400, expire=NOW - timedelta(days=2))
    runs: list[SweepRun] = []
    together = threading.Barrier(2)

    def work() -> None:
        together.wait()
        try:
            runs.append(sweep(now=NOW, chunks=Chunks(first=3, largest=3)))
        finally:
            connections.close_all()

    _in_threads(work, work)
    assert Session.objects.count() == 0
    assert {run.pk for run in runs} == {SweepRun.objects.get().pk}
    assert _rows(runs[0]) == _swept() == 400
    assert sum(shift.rows for shift in SweepShift.objects.all()) == 400


@pytest.mark.django_db(transaction=True)
def test_row_that_somebody_uses_is_left_to_the_next_sweep() -> None:
    from django.db import transaction

    make_version(period="1 day", effective_at=NOW - timedelta(days=900))
    used, _free = make_sessions(None, count=2, expire=NOW - timedelta(days=2))
    counts: list[int] = []

    def sweep_meanwhile() -> None:
        try:
            counts.append(_rows(sweep(now=NOW)))
        finally:
            connections.close_all()

    with transaction.atomic():
        Session.objects.select_for_update().get(pk=used.pk)
        _in_threads(sweep_meanwhile)
    assert counts == [1]
    assert list(Session.objects.values_list("pk", flat=True)) == [used.pk]
    assert _rows(sweep(now=NOW)) == 1


def _in_threads(*targets: Callable[[], None]) -> None:
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
