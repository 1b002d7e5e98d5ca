"""A report of something lost or stolen, as the task for which staff look at whom it is about."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from accounts.models import LossNotice
from audit.errands import Span

ERRAND: Final = "loss"


def spans(references: Collection[str]) -> dict[str, Span]:
    """Reference → whose report and from when to when it is a task; one query."""
    rows = LossNotice.objects.filter(reference__in=references, subject__isnull=False)
    return {
        reference: Span(subject_id, since, until)
        for reference, subject_id, since, until in rows.values_list(
            "reference", "subject_id", "reported_at", "closed_at"
        )
        if subject_id is not None
    }


def open_of(subject_id: UUID, now: datetime) -> list[str]:
    """References of a person's open reports; one query."""
    rows = LossNotice.objects.filter(subject=subject_id, closed_at=None, reported_at__lte=now)
    return list(rows.order_by("reported_at").values_list("reference", flat=True))
