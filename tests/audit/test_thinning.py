"""Old evidence grows thin, and no broken promise is thinned out of sight."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from audit import thinning
from audit.models import Evidence

NOW = timezone.now()
LONG_AGO = (NOW - timedelta(days=200)).replace(hour=9)


def evidence(at: datetime, outcome: str = "kept", control: str = "x.y") -> Evidence:
    return Evidence.objects.create(
        control=control, at=at, outcome=outcome, checked=1, violations=0, milliseconds=1
    )


def left() -> list[tuple[str, datetime]]:
    return list(Evidence.objects.order_by("control", "at").values_list("outcome", "at"))


def test_one_piece_a_day_stays_of_what_is_old(db: None, runtime_role: str) -> None:
    days = [LONG_AGO + timedelta(days=day) for day in range(2)]
    for day in days:
        for hours in range(3):
            evidence(day + timedelta(hours=hours))
    assert thinning.thin(now=NOW) == 4
    assert left() == [("kept", day + timedelta(hours=2)) for day in days]
    assert thinning.thin(now=NOW) == 0


def test_the_worst_of_a_day_stays(db: None, runtime_role: str) -> None:
    for hours, outcome in enumerate(["kept", "broken", "failed", "kept"]):
        evidence(LONG_AGO + timedelta(hours=hours), outcome)
    evidence(LONG_AGO, "kept", control="x.z")
    thinning.thin(now=NOW)
    assert left() == [("broken", LONG_AGO + timedelta(hours=1)), ("kept", LONG_AGO)]


def test_nothing_younger_than_ninety_days_goes(db: None, runtime_role: str) -> None:
    day = (NOW - timedelta(days=89)).replace(hour=1, minute=0)
    for hours in range(2):
        evidence(day + timedelta(hours=hours))
    assert thinning.thin(now=NOW) == 0
    assert Evidence.objects.count() == 2


def test_after_six_years_all_goes(db: None, runtime_role: str) -> None:
    evidence(NOW - thinning.ONE_A_DAY - timedelta(days=1), "broken")
    kept = evidence(NOW - thinning.ONE_A_DAY + timedelta(days=1))
    assert thinning.thin(now=NOW) == 1
    assert list(Evidence.objects.all()) == [kept]


def test_large_amounts_go_in_chunks(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for minutes in range(7):
        evidence(LONG_AGO + timedelta(minutes=minutes))
    monkeypatch.setattr(thinning, "CHUNK", 2)

    assert thinning.thin(now=NOW) == 6
