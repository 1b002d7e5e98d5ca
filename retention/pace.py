"""How many rows to take at once, so that no transaction keeps anybody waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import OperationalError, connection
from psycopg import errors

FIRST = 200
SMALLEST_FIRST = 10
LARGEST = 10_000
TARGET_SECONDS = 0.1
LIMIT_SECONDS = 0.25  # no transaction longer than this, on a machine that is not overloaded
GROWTH = 1.5
SHRINKING = 0.5  # at most, for one slow transaction may be another program's doing
# A row that somebody works with is left to the next sweep rather than waited for.
LOCK_SECONDS = 0.2
_IN_THE_WAY = (errors.QueryCanceled, errors.LockNotAvailable, errors.DeadlockDetected)


@dataclass
class Watch:
    """Times one transaction; `chosen` is called when its rows are chosen and the work begins."""

    started: float
    began: float

    def chosen(self) -> None:
        """The rows are chosen; what this took does not depend on how many they are."""
        self.began = time.monotonic()


class Pace:
    """Grows the number slowly while transactions are short, halves it at once when one is long."""

    def __init__(self, first: int = FIRST, largest: int = LARGEST) -> None:
        self.size, self._largest = min(first, largest), largest
        self.longest = 0.0

    @contextmanager
    def measured(self) -> Iterator[Watch]:
        """Time one transaction and set the size of the next by it."""
        started = time.monotonic()
        watch = Watch(started, started)
        try:
            yield watch
        finally:
            self.longest = max(self.longest, time.monotonic() - started)
        seconds = time.monotonic() - watch.began
        factor = max(min(TARGET_SECONDS / max(seconds, 0.001), GROWTH), SHRINKING)
        grown = int(self.size * factor) + (1 if factor > 1 else 0)
        self.size = max(1, min(self._largest, grown))

    @contextmanager
    def bounded(self) -> Iterator[None]:
        """Have Postgres end a statement that takes too long, in the caller's transaction.

        A single row may take its time: there is nothing smaller to try.
        """
        before = _set_limits(LIMIT_SECONDS if self.size > 1 else 0.0, LOCK_SECONDS)
        yield
        # After an error the caller's roll-back does this.
        _set_limits(*before)

    def stopped_by(self, error: OperationalError) -> bool:
        """Whether a smaller chunk may pass where this error stopped one."""
        return isinstance(error.__cause__, _IN_THE_WAY)

    def shrink(self) -> bool:
        """Much smaller at once; False when it was a single row already."""
        smaller, self.size = self.size > 1, max(1, self.size // 4)
        return smaller


def first_size(weight: float, *, first: int = FIRST) -> int:
    """How many rows to begin with. weight: 1 for a bare narrow row; see `retention.weight`."""
    return max(min(first, SMALLEST_FIRST), int(first / max(weight, 1.0)))


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Have Postgres end a statement after so long, in the caller's transaction."""
    before = _set_limits(seconds, LOCK_SECONDS)
    yield
    _set_limits(*before)


def _set_limits(statement: float, lock: float) -> tuple[float, float]:
    """Set both for the rest of the transaction, in seconds; what they were. One round trip."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM current_setting('statement_timeout')::interval),"
            " extract(epoch FROM current_setting('lock_timeout')::interval),"
            " set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true)",
            [f"{round(statement * 1000)}ms", f"{round(lock * 1000)}ms"],
        )
        row = cursor.fetchone() or (0, 0)
    return float(row[0]), float(row[1])
