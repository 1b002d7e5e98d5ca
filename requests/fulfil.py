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
from retention.signals import erased


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
