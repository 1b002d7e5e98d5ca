"""A request ends with what it asked for: the erasure is done and checked, the answer goes out."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.dispatch import receiver

from audit.log import SYSTEM, record
from consent import mail
from requests import state
from requests.models import OPEN, Request, RequestEvent
from retention import erase
from retention.models import Erasure
from retention.signals import cancelled, erased


@receiver(erased, dispatch_uid="requests.complete")
def complete(*, subject_id: UUID, erasure_id: UUID, at: datetime, **kwargs: Any) -> None:
    """Whoever set the erasure off, the person's open deletion request is answered by it.

    Runs in the erasure's last transaction, after verification, so the two can't disagree. The
    answer was written while the address was known; it is released here.
    """
    with transaction.atomic():
        open_ones = Request.objects.select_for_update().filter(
            subject_id=subject_id, kind=Request.Kind.DELETION, state__in=OPEN
        )
        for request in open_ones:
            state.move(
                request_id=request.pk,
                to=Request.State.COMPLETED,
                closed_at=at,
                erasure_id=erasure_id,
            )
            RequestEvent.objects.create(request=request, step=RequestEvent.Step.COMPLETED, at=at)
            record(
                actor=SYSTEM,
                verb="requests.completed",
                now=at,
                object=request,
                subject_id=subject_id,
                facts={"kind": str(request.kind), "erasure": str(erasure_id)},
            )
            if request.answer_id is not None:
                mail.release(message_id=request.answer_id, now=at)


@receiver(cancelled, dispatch_uid="requests.set-off-again")
def set_off_again(*, subject_id: UUID, erasure_id: UUID, at: datetime, **kwargs: Any) -> None:
    """An erasure was cancelled by another room while an approved request rests on it: the person
    still asked for it, so it is planned anew.
    """
    approved = Request.objects.select_for_update().filter(
        subject_id=subject_id, erasure_id=erasure_id, state=Request.State.APPROVED
    )
    for request in approved:
        erasure = erase.start(
            subject_id=subject_id, reason="request", actor=SYSTEM, now=at, due_at=request.undo_until
        )
        Request.objects.filter(pk=request.pk).update(erasure=erasure)


def follow(*, now: datetime) -> int:
    """Note of approved requests whose erasure has begun that it has; returns how many."""
    begun = Request.objects.filter(
        state=Request.State.APPROVED, erasure__started_at__isnull=False
    ).exclude(erasure__state=Erasure.State.CANCELLED)
    moved = 0
    for request_id, started_at in begun.values_list("pk", "erasure__started_at")[:500]:
        moved += _begin(request_id=request_id, started_at=started_at or now, now=now)
    return moved


def _begin(*, request_id: UUID, started_at: datetime, now: datetime) -> int:
    with transaction.atomic():
        try:
            state.move(request_id=request_id, to=Request.State.IN_PROGRESS)
        except state.WrongState:
            return 0  # it was completed meanwhile
        request = Request.objects.get(pk=request_id)
        RequestEvent.objects.create(request=request, step=RequestEvent.Step.STARTED, at=started_at)
        record(
            actor=SYSTEM,
            verb="requests.started",
            now=now,
            object=request,
            subject_id=request.subject_id,
            facts={"kind": str(request.kind)},
        )
    return 1
