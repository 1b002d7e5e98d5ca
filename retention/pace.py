"""How many rows to take at once, so that no transaction keeps anybody waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

FIRST = 200
LARGEST = 10_000
TARGET_SECONDS = 0.1
LIMIT_SECONDS = 0.25  # no transaction longer than this, on a machine that is not overloaded


class Pace:
    """Grows the number slowly while transactions are short, shrinks it at once when one is long."""

    def __init__(self, first: int = FIRST, largest: int = LARGEST) -> None:
        self.size, self._largest = min(first, largest), largest
        self.longest = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Time one transaction and set the size of the next."""
        started = time.monotonic()
        yield
        seconds = time.monotonic() - started
        self.longest = max(self.longest, seconds)
        factor = min(TARGET_SECONDS / max(seconds, 0.001), 1.5)
        self.size = max(1, min(self._largest, int(self.size * factor) or 1))
