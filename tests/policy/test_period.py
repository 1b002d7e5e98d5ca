"""Periods follow the calendar of the operator's time zone and never run backwards."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.period import LONGEST_YEARS, UNITS, Period

PARIS = ZoneInfo("Europe/Paris")
ZONES = [
    ZoneInfo(name)
    for name in (
        "UTC",
        "Europe/Paris",
        "America/New_York",
        "Australia/Lord_Howe",  # half an hour of daylight saving
        "Africa/Casablanca",  # daylight saving backwards around Ramadan
        "Asia/Kathmandu",
        "Pacific/Apia",  # left out 30 December 2011
    )
]

spans = st.builds(Period, st.integers(1, 40), st.sampled_from(UNITS))
zones = st.sampled_from(ZONES)
instants = st.datetimes(
    datetime(2005, 1, 1),
    datetime(2035, 1, 1),
    timezones=st.just(UTC),
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "count", "unit"),
    [
        ("90 days", 90, "day"),
        ("1 day", 1, "day"),
        ("10 business days", 10, "business day"),
        ("24 hours", 24, "hour"),
        ("100 years", 100, "year"),
    ],
)
def test_parse_reads_what_people_write(text: str, count: int, unit: str) -> None:
    assert Period.parse(text) == Period(count, unit)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "90",
        "days",
        "0 days",
        "-1 days",
        "1.5 days",
        "90 Days",
        " 90 days",
        "90  days",
        "90 days\n",
        "101 years",
        "99999 months",
        "1 fortnight",
        "٣ days",
        "100000 days",
    ],
)
def test_parse_refuses_everything_else(text: str) -> None:
    with pytest.raises(ValueError, match=r"no span of time|longer than 100 years"):
        Period.parse(text)


@given(spans)
def test_parse_reads_what_it_writes(span: Period) -> None:
    if span.rough() <= timedelta(days=366 * LONGEST_YEARS):
        assert Period.parse(str(span)) == span


@pytest.mark.parametrize(
    ("start", "text", "end"),
    [
        # A month without that day ends with its last moment.
        ("2023-01-31T12:00", "1 month", "2023-02-28T22:59:59.999999"),
        ("2024-01-31T12:00", "1 month", "2024-02-29T22:59:59.999999"),
        ("2024-02-29T12:00", "1 year", "2025-02-28T22:59:59.999999"),
        ("2024-02-29T12:00", "4 years", "2028-02-29T12:00"),
        ("2024-11-30T12:00", "3 months", "2025-02-28T22:59:59.999999"),
        # The clock on the wall stays, so a day can have 23 or 25 hours.
        ("2024-03-30T12:00", "1 day", "2024-03-31T11:00"),
        ("2024-10-26T12:00", "1 day", "2024-10-27T13:00"),
        # Hours are hours.
        ("2024-03-30T12:00", "24 hours", "2024-03-31T12:00"),
        # Friday; Monday is a holiday; the last working day counts to its end.
        ("2024-05-17T12:00", "1 business day", "2024-05-21T21:59:59.999999"),
        ("2024-05-17T12:00", "5 business days", "2024-05-27T21:59:59.999999"),
        ("2024-05-18T12:00", "1 business day", "2024-05-21T21:59:59.999999"),
        ("2024-01-01T12:00", "2 weeks", "2024-01-15T12:00"),
    ],
)
def test_after_follows_the_calendar(start: str, text: str, end: str) -> None:
    holidays = [date(2024, 5, 20)]
    assert Period.parse(text).after(utc(start), zone=PARIS, holidays=holidays) == utc(end)


@given(spans, zones, instants, st.timedeltas(timedelta(0), timedelta(days=3)))
def test_after_never_runs_backwards(
    span: Period, zone: ZoneInfo, start: datetime, later: timedelta
) -> None:
    assert span.after(start, zone=zone) <= span.after(start + later, zone=zone)


@given(spans, zones, instants)
def test_after_lies_after(span: Period, zone: ZoneInfo, start: datetime) -> None:
    assert span.after(start, zone=zone) > start


@given(spans, zones, instants)
def test_last_start_is_the_latest_that_is_due(span: Period, zone: ZoneInfo, now: datetime) -> None:
    last = span.last_start(now, zone=zone)
    assert span.after(last, zone=zone) <= now
    assert span.after(last + timedelta(microseconds=2), zone=zone) > now


@given(spans, zones, instants, st.timedeltas(timedelta(days=-3), timedelta(days=3)))
def test_due_can_be_asked_of_an_index(
    span: Period, zone: ZoneInfo, now: datetime, around: timedelta
) -> None:
    """`clock <= last_start(now)` says the same as `after(clock) <= now`, for every clock."""
    last = span.last_start(now, zone=zone)
    clock = last + around
    assert (clock <= last) == (span.after(clock, zone=zone) <= now) or clock - last <= timedelta(
        microseconds=1
    )
