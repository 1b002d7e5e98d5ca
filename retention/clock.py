"""A clock for long work: starts at the `now` it was given and goes on from there."""

from __future__ import annotations

import time
from datetime import datetime, timedelta


class RunningClock:
    """Tells the time since `now` by the monotonic clock, so tests can start it anywhere."""

    def __init__(self, now: datetime) -> None:
        self._began, self._started = now, time.monotonic()

    def now(self) -> datetime:
        """The instant it is."""
        return self._began + self.spent

    @property
    def spent(self) -> timedelta:
        """How long it has run."""
        return timedelta(seconds=time.monotonic() - self._started)
