"""Spans of time as policies write them: "90 days", "1 month", "10 business days", "24 hours".

Months and years follow the calendar of the operator's time zone. Where a day does not exist in
the last month, the span ends with that month's last moment (Regulation (EEC, Euratom) 1182/71,
art. 3(2)(c)). `after` never runs backwards, so "due" can be asked as `clock <= last_start(now)`,
which an index answers.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

UNITS = ("minute", "hour", "day", "week", "business day", "month", "year")
PATTERN = r"^([1-9][0-9]{0,4}) (minute|hour|day|week|business day|month|year)s?$"
LONGEST_YEARS = 100
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Period:
    """A span: how many of which unit."""

    count: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read "90 days". Raises `ValueError` that says what is allowed."""
        match = re.fullmatch(PATTERN, text)
        if match is None:
            raise ValueError(
                f"{text!r} is no span of time; write a whole number above 0 and one of "
                f"{', '.join(UNITS)}, such as '90 days'"
            )
        period = cls(int(match[1]), match[2])
        if period.rough() > timedelta(days=366 * LONGEST_YEARS):
            raise ValueError(f"{text!r} is longer than {LONGEST_YEARS} years")
        return period

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'' if self.count == 1 else 's'}"

    def rough(self) -> timedelta:
        """About how long it is, to compare two spans; never used for a deadline."""
        days = {"day": 1.0, "week": 7.0, "business day": 1.4, "month": 30.4369, "year": 365.2425}
        if self.unit in days:
            return timedelta(days=self.count * days[self.unit])
        return timedelta(**{f"{self.unit}s": self.count})

    def after(
        self, start: datetime, *, zone: ZoneInfo, holidays: Collection[date] = ()
    ) -> datetime:
        """The instant this span ends when it begins at `start` (aware); in `zone`'s calendar."""
        if self.unit in ("minute", "hour"):
            return start + timedelta(**{f"{self.unit}s": self.count})
        wall = _wall(start, zone)
        if self.unit in ("day", "week"):
            end = wall + timedelta(days=self.count * (7 if self.unit == "week" else 1))
        elif self.unit == "business day":
            end = self._after_business_days(wall, holidays)
        else:
            end = self._after_months(wall)
        return end.replace(tzinfo=zone)

    def last_start(
        self, now: datetime, *, zone: ZoneInfo, holidays: Collection[date] = ()
    ) -> datetime:
        """The latest instant from which this span is over at `now`: due means clock <= this."""
        low = now - 2 * self.rough() - timedelta(days=20)
        high = now
        while high - low > _TICK:
            middle = low + (high - low) / 2
            if self.after(middle, zone=zone, holidays=holidays) <= now:
                low = middle
            else:
                high = middle
        return low

    def _after_months(self, wall: datetime) -> datetime:
        months = self.count * (12 if self.unit == "year" else 1)
        year, month = divmod(wall.year * 12 + wall.month - 1 + months, 12)
        last = calendar.monthrange(year, month + 1)[1]
        if wall.day > last:
            return datetime.combine(date(year, month + 1, last), time.max)
        return wall.replace(year=year, month=month + 1)

    def _after_business_days(self, wall: datetime, holidays: Collection[date]) -> datetime:
        """Counting starts on the following working day and ends with the last one's end."""
        day, left = wall.date(), self.count
        while left:
            day += timedelta(days=1)
            if day.weekday() < 5 and day not in holidays:
                left -= 1
        return datetime.combine(day, time.max)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls.parse,
            core_schema.str_schema(strict=True),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "pattern": PATTERN, "examples": ["90 days", "1 month"]}


def _wall(start: datetime, zone: ZoneInfo) -> datetime:
    """The clock on the wall at `start`. In the hour that a change to winter time repeats, the
    second pass counts as the hour's end, so that later starts never end earlier.
    """
    local = start.astimezone(zone)
    wall = local.replace(tzinfo=None, fold=0)
    if local.fold:
        wall = wall.replace(minute=wall.minute // 15 * 15, second=0, microsecond=0)
        while (wall.replace(tzinfo=zone, fold=0)).utcoffset() != (
            wall.replace(tzinfo=zone, fold=1)
        ).utcoffset():
            wall += timedelta(minutes=15)
        wall -= _TICK
    return wall
