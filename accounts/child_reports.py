"""A report that an account is a child's, as the task for which staff look that account up.

It is taken in and acted upon in one step, so its task is open at that instant and never again.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from audit.errands import Span
from audit.models import AuditEntry

ERRAND: Final = "report"
LEARNED: Final = "accounts.child-learned"
_INSTANT: Final = timedelta(microseconds=1)


def task_of(*, subject_id: UUID, at: datetime) -> str:
    """The task of the report that was acted upon at that instant."""
    entry = AuditEntry.objects.filter(verb=LEARNED, subject_id=subject_id, at=at).latest("id")
    return f"{ERRAND}:{entry.pk}"


def spans(references: Collection[str]) -> dict[str, Span]:
    """Id of the report's entry in the log → whose, and when; one query."""
    ids = [each for each in references if _is_id(each)]
    rows = AuditEntry.objects.filter(verb=LEARNED, pk__in=ids, subject_id__isnull=False)
    return {
        str(pk): Span(subject_id, at, at + _INSTANT)
        for pk, subject_id, at in rows.values_list("pk", "subject_id", "at")
        if subject_id is not None
    }


def open_of(subject_id: UUID, now: datetime) -> list[str]:
    """None: a report is never left open."""
    return []


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
