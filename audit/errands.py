"""Errands: the open tasks for which staff may read a person's data (WD-12).

Each room that gives staff work about people says in its `sections.py` which kinds of task there
are. A task is written `kind:reference`. It is about one person and has a span of time; outside of
it, and for anybody else, nothing may be read. Reading is written down by `audit.access`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied


@dataclass(frozen=True)
class Span:
    """Whose task, and from when to when it is open; `until` is none while it still is."""

    subject_id: UUID
    since: datetime
    until: datetime | None

    def covers(self, *, subject_id: UUID, at: datetime) -> bool:
        """Whether the task lets staff read about this person then."""
        return (
            self.subject_id == subject_id
            and self.since <= at
            and (self.until is None or at < self.until)
        )


@dataclass(frozen=True, kw_only=True)
class Errand:
    """One kind of task. title: what it is called, before people, too ("Your request").

    spans: reference → span of the tasks that exist, in one query.
    open_of: references of a person's tasks that are open at that instant, in one query.
    """

    key: str
    title: Any
    spans: Callable[[Collection[str]], Mapping[str, Span]]
    open_of: Callable[[UUID, datetime], list[str]]


class NoTask(PermissionDenied):
    """Nobody reads a person's data without an open task that is about that person: 403."""

    def __init__(self, task: str) -> None:
        self.task = task
        super().__init__(f"{task!r} is no open task about this person")


_errands: dict[str, Errand] = {}


def add_errand(errand: Errand) -> None:
    """Let staff read for this kind of task; a room does it in its `sections.py`."""
    if errand.key in _errands:
        raise ValueError(f"two errands are called {errand.key!r}")
    _errands[errand.key] = errand


def errands() -> dict[str, Errand]:
    """Key → errand, for everything installed."""
    return dict(_errands)


def title_of(task: str) -> str:
    """What the kind of a task is called; its key when no room knows it."""
    key = task.partition(":")[0]
    return str(_errands[key].title) if key in _errands else key


def open_tasks(*, subject_id: UUID, now: datetime) -> list[str]:
    """Every open task about a person; one query for each kind."""
    return [
        f"{errand.key}:{reference}"
        for errand in _errands.values()
        for reference in errand.open_of(subject_id, now)
    ]


def spans_of(tasks: Collection[str]) -> dict[str, Span]:
    """Task → its span, for those that exist; one query for each kind among them."""
    wanted: dict[str, list[str]] = {}
    for task in tasks:
        key, _colon, reference = task.partition(":")
        wanted.setdefault(key, []).append(reference)
    return {
        f"{key}:{reference}": span
        for key, references in wanted.items()
        if key in _errands
        for reference, span in _errands[key].spans(references).items()
    }


def require_open(*, task: str, subject_id: UUID, at: datetime) -> None:
    """Raise `NoTask` unless the task is about this person and open then."""
    span = spans_of([task]).get(task)
    if span is None or not span.covers(subject_id=subject_id, at=at):
        raise NoTask(task)
