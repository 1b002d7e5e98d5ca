"""Evaluating a control: its evidence, its limits, and what a check can't do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from audit import control
from audit.control import Control, Finding, Sort, evaluate, is_stale, latest
from audit.models import Evidence
from datamap.models import Subject

NOW = datetime(2026, 3, 4, tzinfo=UTC)


def made(check: Any, *, sort: Sort = Sort.QUERY, key: str = "x.y", **values: Any) -> Control:
    return Control(key=key, sentence="x", how="y", sort=sort, check=check, **values)


def test_kept_and_broken_are_told_apart(db: None) -> None:
    kept = evaluate(control=made(lambda now: Finding(5)), now=NOW, policy_digest="d")
    assert (kept.outcome, kept.checked, kept.violations, kept.policy_digest) == ("kept", 5, 0, "d")
    finding = Finding.of(checked=5, violations=[1, 2], slowest_seconds=3.5)
    broken = evaluate(control=made(lambda now: finding), now=NOW)
    assert (broken.outcome, broken.violations, broken.violation_ids) == ("broken", 2, ["1", "2"])
    assert broken.figures == {"slowest_seconds": 3.5}


def test_only_the_first_hundred_ids_are_kept(db: None) -> None:
    finding = Finding.of(checked=500, violations=range(150))
    evidence = evaluate(control=made(lambda now: finding), now=NOW)
    assert (evidence.violations, len(evidence.violation_ids)) == (150, 100)


def test_a_check_that_raises_is_failed_without_its_words(db: None, capsys: Any) -> None:
    def check(now: datetime) -> Finding:
        raise ValueError("robin@example.com")

    evidence = evaluate(control=made(check), now=NOW)
    assert (evidence.outcome, evidence.figures) == ("failed", {"error": "ValueError"})
    assert "robin" not in "".join(capsys.readouterr())


def test_a_query_check_can_write_nothing(db: None) -> None:
    def check(now: datetime) -> Finding:
        Subject.objects.create(created_at=now)
        return Finding(1)

    evidence = evaluate(control=made(check), now=NOW)
    assert (evidence.outcome, evidence.figures) == ("failed", {"error": "InternalError"})
    assert Subject.objects.count() == 0
    # And whoever asked can still write.
    Subject.objects.create(created_at=NOW)


def test_a_probe_is_rolled_back(db: None) -> None:
    def check(now: datetime) -> Finding:
        Subject.objects.create(created_at=now)
        return Finding(Subject.objects.count())

    evidence = evaluate(control=made(check, sort=Sort.PROBE), now=NOW)
    assert (evidence.outcome, evidence.checked) == ("kept", 1)
    assert Subject.objects.count() == 0


def test_a_slow_query_is_stopped(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "STATEMENT_SECONDS", 1)

    def check(now: datetime) -> Finding:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(20)")
        return Finding(1)

    evidence = evaluate(control=made(check), now=NOW)
    assert (evidence.outcome, evidence.figures) == ("failed", {"error": "OperationalError"})
    assert evidence.milliseconds < 5000


@pytest.mark.parametrize("count", [1, 3])
def test_latest_is_one_query(db: None, count: int, django_assert_num_queries: Any) -> None:
    for number in range(count):
        for hours in (2, 1, 3):
            evaluate(
                control=made(lambda now: Finding(1), key=f"x.y{number}"),
                now=NOW - timedelta(hours=hours),
            )
    with django_assert_num_queries(1):
        found = latest(["x.y0", "x.y1", "x.y2", "x.none"])
    assert {key: evidence.at for key, evidence in found.items()} == {
        f"x.y{number}": NOW - timedelta(hours=1) for number in range(count)
    }


def test_evidence_is_stale_after_twice_the_interval() -> None:
    found = made(lambda now: Finding(1), every=timedelta(hours=1))
    evidence = Evidence(at=NOW)
    assert not is_stale(control=found, evidence=evidence, now=NOW + timedelta(hours=2))
    just_after = NOW + timedelta(hours=2, microseconds=1)
    assert is_stale(control=found, evidence=evidence, now=just_after)


def test_two_controls_with_one_key_are_refused() -> None:
    existing = next(iter(control.controls().values()))
    with pytest.raises(control.DuplicateControl):
        control.declare(existing)


def test_every_control_says_what_it_does_in_plain_words() -> None:
    for key, found in control.controls().items():
        assert found.key == key
        assert str(found.sentence).endswith(".")
        assert str(found.how).endswith(".")
