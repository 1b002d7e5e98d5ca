"""Which version is in force, known to every process without a query per request.

The danger: pages that show one version while another is enforced, and a query on every page of
people who only look. The design:

- A process keeps the *schedule* of all versions (small rows without their text) and the documents
  it used, and picks by time, so a version that waits for its notice takes over on the second.
- The schedule is looked at again after `settings.POLICY_REFRESH_SECONDS` (2): one indexed query
  for the newest number, and only a new number loads more. Tasks and commands look when they ask;
  processes that serve pages have a thread do it, so that no request waits for it. The thread
  starts with the first request, never before a fork, and ends a minute after the last one.
- Publishing forgets the schedule in its own process at once.
- Whoever writes what depends on the version (consent, submissions) asks `fresh()`, which reads in
  the caller's own transaction.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.db.models import Max
from django.utils import timezone

from policy.document import Document
from policy.models import PolicyVersion

log = structlog.get_logger(__name__)
IDLE_SECONDS = 60.0


class NoPolicy(LookupError):
    """No policy is in force: none was published yet, or none before that instant."""

    def __init__(self) -> None:
        super().__init__("no policy is in force; publish one with `manage.py publish_policy FILE`")


@dataclass(frozen=True)
class _Schedule:
    """All versions, newest first, as seen `looked_at` (monotonic seconds)."""

    versions: tuple[PolicyVersion, ...]
    looked_at: float

    @property
    def newest(self) -> int:
        return self.versions[0].number if self.versions else 0


class _Memory:
    """What this process knows. Made anew in a forked child, which inherits no thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.schedule: _Schedule | None = None
        self.thread: threading.Thread | None = None
        self.used_at = 0.0


_memory = _Memory()


def in_force(now: datetime | None = None) -> PolicyVersion:
    """The version in force at `now`, from memory. Raises `NoPolicy`."""
    now = now or timezone.now()
    for version in _known().versions:
        if version.effective_at <= now:
            return version
    raise NoPolicy


def document(now: datetime | None = None) -> Document:
    """The contents of the version in force. Raises `NoPolicy`."""
    return in_force(now).document


def fresh(now: datetime | None = None) -> PolicyVersion:
    """The version in force as the caller's transaction sees it: one query. Raises `NoPolicy`."""
    now = now or timezone.now()
    version = PolicyVersion.objects.filter(effective_at__lte=now).order_by("-number").first()
    if version is None:
        raise NoPolicy
    return version


def versions() -> tuple[PolicyVersion, ...]:
    """Every published version, newest first, from memory; their texts load when asked for."""
    return _known().versions


def forget() -> None:
    """Look again at the next question."""
    _memory.schedule = None


def keep_fresh(**kwargs: Any) -> None:
    """Have a thread keep this process's schedule fresh while requests come in."""
    seconds = _refresh_seconds()
    if not seconds:
        return
    memory = _memory
    memory.used_at = time.monotonic()
    if memory.thread is None or not memory.thread.is_alive():
        with memory.lock:
            if memory.thread is None or not memory.thread.is_alive():
                memory.thread = threading.Thread(
                    target=_refresh, args=(memory, seconds), name="policy-refresh", daemon=True
                )
                memory.thread.start()


def _refresh(memory: _Memory, seconds: float) -> None:
    try:
        while time.monotonic() - memory.used_at < IDLE_SECONDS:
            time.sleep(seconds)
            close_old_connections()
            try:
                _look(memory)
            except DatabaseError as error:
                log.warning("policy refresh failed", error=type(error).__name__)
    finally:
        _close_connection()


def _close_connection() -> None:
    from django.db import connection

    connection.close()


def _known() -> _Schedule:
    memory = _memory
    schedule, seconds = memory.schedule, _refresh_seconds()
    if schedule is None:
        return _look(memory)
    # A living thread is given some rounds before a request looks for itself.
    patience = seconds * 5 if memory.thread and memory.thread.is_alive() else seconds
    if seconds and time.monotonic() - schedule.looked_at > patience:
        return _look(memory)
    return schedule


def _look(memory: _Memory) -> _Schedule:
    """One query while nothing new was published."""
    looked_at, known = time.monotonic(), memory.schedule
    if known is not None:
        newest = PolicyVersion.objects.aggregate(newest=Max("number"))["newest"] or 0
        if newest == known.newest:
            memory.schedule = _Schedule(known.versions, looked_at)
            return memory.schedule
    found = tuple(PolicyVersion.objects.defer("source").order_by("-number"))
    for version in _soon_needed(found):
        version.refresh_from_db(fields=["source"])
        _ = version.document
    memory.schedule = _Schedule(found, looked_at)
    return memory.schedule


def _soon_needed(found: tuple[PolicyVersion, ...]) -> list[PolicyVersion]:
    """The version in force and those that wait behind it: their texts are read beforehand."""
    needed, now = [], timezone.now()
    for version in found:
        needed.append(version)
        if version.effective_at <= now:
            break
    return needed


def _refresh_seconds() -> float:
    """Seconds between two looks; 0 means only after `forget()` (tests)."""
    return float(getattr(settings, "POLICY_REFRESH_SECONDS", 2.0))


def _after_fork() -> None:
    global _memory
    _memory = _Memory()


os.register_at_fork(after_in_child=_after_fork)
