"""What each process remembers of the database, so that people who only look cost no query.

- A remembered value is read again after `settings.POLICY_REFRESH_SECONDS` (2). Tasks and commands
  look when they ask; processes that serve pages have a thread do it, so that no request waits.
- The thread starts with the first request, never before a fork, and ends a minute after the last
  one. While it lives, a request looks for itself only when the thread has missed some rounds.
- A forked child remembers nothing and inherits no thread.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import structlog
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

T = TypeVar("T")
log = structlog.get_logger(__name__)
IDLE_SECONDS = 60.0
ROUNDS_MISSED = 5


class Remembered(Generic[T]):
    """One value. look: reads it from the database; gets what was known before, if anything."""

    def __init__(self, look: Callable[[T | None], T]) -> None:
        self._look = look
        self._known: tuple[T, float] | None = None  # with the monotonic time of the look
        _all.append(self)

    def value(self) -> T:
        """The value, a few seconds old at most."""
        known, seconds = self._known, _refresh_seconds()
        if known is None:
            return self.renew()
        patience = seconds * ROUNDS_MISSED if _refresher.is_alive() else seconds
        if seconds and time.monotonic() - known[1] > patience:
            return self.renew()
        return known[0]

    def renew(self) -> T:
        """Look now."""
        looked_at, known = time.monotonic(), self._known
        value = self._look(known[0] if known else None)
        self._known = (value, looked_at)
        return value

    def forget(self, **kwargs: Any) -> None:
        """Look again at the next question; also a receiver of signals."""
        self._known = None


class _Refresher:
    """The thread that renews everything while requests come in."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.used_at = 0.0

    def is_alive(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    def run(self, seconds: float) -> None:
        try:
            while time.monotonic() - self.used_at < IDLE_SECONDS:
                time.sleep(seconds)
                close_old_connections()
                for remembered in _all:
                    try:
                        remembered.renew()
                    except DatabaseError as error:
                        log.warning("memory.refresh_failed", error=type(error).__name__)
        finally:
            connection.close()


_all: list[Remembered[Any]] = []
_refresher = _Refresher()


def keep_fresh(**kwargs: Any) -> None:
    """Have a thread renew what this process remembers; called with every request."""
    seconds, refresher = _refresh_seconds(), _refresher
    if not seconds:
        return
    refresher.used_at = time.monotonic()
    if refresher.is_alive():
        return
    with refresher.lock:
        if not refresher.is_alive():
            refresher.thread = threading.Thread(
                target=refresher.run, args=(seconds,), name="policy-refresh", daemon=True
            )
            refresher.thread.start()


def forget_everything() -> None:
    """Look again at the next question, whatever it is about."""
    for remembered in _all:
        remembered.forget()


def _refresh_seconds() -> float:
    """Seconds between two looks; 0 means only after forgetting (tests)."""
    return float(getattr(settings, "POLICY_REFRESH_SECONDS", 2.0))


def _after_fork() -> None:
    global _refresher
    _refresher = _Refresher()
    forget_everything()


os.register_at_fork(after_in_child=_after_fork)
