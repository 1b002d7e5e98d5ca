"""How a promise fared day by day: what the evidence of the last ninety days says.

A day is kept when every check of it that could be carried out found the promise kept, broken when
one found it broken, and otherwise not evaluated. Days are the operator's.

The public page draws this from memory, so that a visitor costs no query; the memory is a minute
old at most, for days change slowly. Staff see the same counted anew.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from django.db import connection
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audit import control
from policy import current
from policy.memory import Remembered

DAYS = 90
WIDTH = 8  # of one day's bar, its gap included
REMEMBERED_SECONDS = 60.0
# Height and distance from the top: a broken day stands out by its length, not by colour alone.
SHAPES = {"kept": (12, 20), "broken": (0, 32), "none": (28, 4)}
_DAILY = """
    SELECT control, (at AT TIME ZONE %(zone)s)::date AS day,
        bool_or(outcome = 'broken'), bool_or(outcome = 'kept')
    FROM audit_evidence
    WHERE control = ANY(%(keys)s) AND at >= %(since)s
    GROUP BY 1, 2
"""
Outcomes = Mapping[str, Mapping[date, str]]


@dataclass(frozen=True)
class Day:
    """One day: "kept", "broken" or "none", and its bar."""

    day: date
    state: str
    x: int

    @property
    def y(self) -> int:
        """Where the bar begins, from the top."""
        return SHAPES[self.state][0]

    @property
    def height(self) -> int:
        """How long the bar is."""
        return SHAPES[self.state][1]

    @property
    def ink(self) -> str:
        """The colour, by its name in the stylesheet."""
        return f"var(--{'edge' if self.state == 'none' else self.state})"


@dataclass(frozen=True)
class Run:
    """Days in a row that were alike, in words."""

    state: str
    words: str


@dataclass(frozen=True)
class Trail:
    """Ninety days, oldest first, drawn and in words."""

    days: tuple[Day, ...]

    @property
    def width(self) -> int:
        """Of the drawing, in its own units."""
        return WIDTH * len(self.days)

    @property
    def summary(self) -> str:
        """What the drawing shows, in one sentence."""
        counts = Counter(day.state for day in self.days)
        parts = [
            ngettext("kept on %(n)d day", "kept on %(n)d days", counts["kept"])
            % {"n": counts["kept"]},
            ngettext("broken on %(n)d day", "broken on %(n)d days", counts["broken"])
            % {"n": counts["broken"]},
            ngettext("not evaluated on %(n)d day", "not evaluated on %(n)d days", counts["none"])
            % {"n": counts["none"]},
        ]
        return _("The last %(days)d days: %(parts)s.") % {
            "days": len(self.days),
            "parts": ", ".join(parts),
        }

    @property
    def runs(self) -> list[Run]:
        """The same as a list, newest first."""
        groups = [list(days) for _state, days in groupby(self.days, key=lambda d: d.state)]
        return [Run(days[0].state, _span(days)) for days in reversed(groups)]


def drawn(*, key: str, outcomes: Outcomes, now: datetime, zone: ZoneInfo) -> Trail:
    """The trail of one control."""
    today, of_control = now.astimezone(zone).date(), outcomes.get(key, {})
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    return Trail(
        tuple(Day(day, of_control.get(day, "none"), n * WIDTH) for n, day in enumerate(days))
    )


def outcomes(*, keys: Collection[str], now: datetime, zone: ZoneInfo) -> Outcomes:
    """Control → day → state, in one query over index audit_evidence_latest."""
    found: dict[str, dict[date, str]] = {}
    since = now - timedelta(days=DAYS + 1)
    with connection.cursor() as cursor:
        cursor.execute(_DAILY, {"keys": list(keys), "since": since, "zone": str(zone)})
        for key, day, broken, kept in cursor.fetchall():
            state = "broken" if broken else "kept" if kept else "none"
            found.setdefault(key, {})[day] = state
    return found


@dataclass(frozen=True)
class _Looked:
    outcomes: Outcomes
    at: float
    zone: ZoneInfo


def _look(known: _Looked | None) -> _Looked:
    if known is not None and time.monotonic() - known.at < REMEMBERED_SECONDS:
        return known
    try:
        zone = current.document().zone
    except current.NoPolicy:
        return _Looked({}, time.monotonic(), ZoneInfo("UTC"))
    found = outcomes(keys=control.controls(), now=timezone.now(), zone=zone)
    return _Looked(found, time.monotonic(), zone)


_remembered = Remembered(_look)


def remembered() -> Outcomes:
    """Every control's days, from memory."""
    return _remembered.value().outcomes


def forget(**kwargs: object) -> None:
    """Look again at the next question; also a receiver of signals."""
    _remembered.forget()


def _span(days: list[Day]) -> str:
    first, last = (date_format(d.day, "j M Y") for d in (days[0], days[-1]))
    if len(days) == 1:
        return first
    return _("%(first)s to %(last)s") % {"first": first, "last": last}
