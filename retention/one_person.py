"""Erasures of somebody with two subjects: begun together, taken back together, told at the end.

The one that was asked for keeps its reason; those begun along with it have `SAME_PERSON`. They wait
for nobody, and the one asked for waits for them, so no two can wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.dispatch import receiver

from audit.log import Actor, record
from datamap.same_person import people, same_person, split
from retention import signals
from retention.models import Erasure

SAME_PERSON: Final = "same-person"


def held_back(erasures: Mapping[UUID, UUID]) -> set[UUID]:
    """Which of these subjects' erasures have to wait, for another subject of the same person still
    has data. erasures: subject → erasure, of those that may end now. One query where nobody has
    two subjects.
    """
    elsewhere = people(erasures) - erasures.keys()
    open_ones = {
        subject: (pk, reason)
        for subject, pk, reason in Erasure.objects.filter(
            subject_id__in=elsewhere, state__in=Erasure.OPEN
        ).values_list("subject_id", "pk", "reason")
    }
    if not open_ones:
        return set()
    asked_for = Erasure.objects.filter(pk__in=erasures.values()).exclude(reason=SAME_PERSON)
    return {
        subject
        for subject, mine in asked_for.values_list("subject_id", "pk")
        if any(
            reason == SAME_PERSON or pk < mine  # of two that were asked for, the earlier one
            for pk, reason in (open_ones[o] for o in same_person(subject) if o in open_ones)
        )
    }


def has_begun(subject_id: UUID) -> bool:
    """Whether what was begun along with this subject's erasure is under way already."""
    others = Erasure.objects.filter(subject_id__in=same_person(subject_id), reason=SAME_PERSON)
    return others.filter(state__in=(Erasure.State.RUNNING, Erasure.State.VERIFYING)).exists()


def take_back(subject_ids: Collection[UUID], *, actor: Actor, now: datetime) -> None:
    """Cancel erasures that were begun along with one that is no more, in the caller's transaction.
    What has begun goes on.
    """
    along = Erasure.objects.select_for_update().filter(
        subject_id__in=subject_ids, reason=SAME_PERSON, state=Erasure.State.WAITING
    )
    for erasure in along:
        asked_for = Erasure.objects.filter(
            subject_id__in=same_person(erasure.subject_id), state__in=Erasure.OPEN
        ).exclude(reason=SAME_PERSON)
        if not asked_for.exists():
            cancelled(erasure, actor=actor, now=now)


def cancelled(erasure: Erasure, *, actor: Actor, now: datetime) -> bool:
    """Move one waiting erasure to its end; False when it is not waiting any more."""
    waiting = Erasure.objects.filter(pk=erasure.pk, state=Erasure.State.WAITING)
    if not waiting.update(state=Erasure.State.CANCELLED, finished_at=now):
        return False
    erasure.refresh_from_db()
    record(
        actor=actor,
        verb="retention.erasure-cancelled",
        now=now,
        object=erasure,
        subject_id=erasure.subject_id,
        facts={"reason": erasure.reason},
    )
    signals.cancelled.send(
        sender=Erasure, subject_id=erasure.subject_id, erasure_id=erasure.pk, at=now
    )
    return True


@receiver(split, dispatch_uid="retention.split")
def on_split(*, subject_ids: frozenset[UUID], at: datetime, actor: Actor, **kwargs: Any) -> None:
    """They are two people after all: nobody is erased because the other one asked."""
    take_back(subject_ids, actor=actor, now=at)
