"""A request comes in: stored with its clock before anybody is told that we have it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction
from django.utils import translation

from audit.log import Actor, record
from consent import ledger
from consent.ledger import Shown
from datamap.models import Subject
from policy import current
from requests import answers, links, review, rules
from requests.models import OPEN, Request, RequestEvent

POINT: Final = "deletion-request"


class NoSuchPerson(Exception):
    """The person's data is erased already, so there is nobody to open a request for."""


def open_deletion(
    *,
    subject: Subject,
    actor: Actor,
    now: datetime,
    received_at: datetime | None = None,
    shown: Shown | None = None,
) -> tuple[Request, str]:
    """Open a verified person's request to delete everything about them (GDPR 17).

    The caller has made sure who asks (session and recent re-authentication). received_at: when it
    arrived, if that was before `now`. shown: the words on the page, for the ledger.

    Returns the request and the token of its status page. Asked twice, the open request comes back
    with an empty token: there is never a second one. Raises `NoSuchPerson` once the person is
    erased.
    """
    with transaction.atomic():
        held = Subject.objects.select_for_update().get(pk=subject.pk)
        if held.erased_at is not None:
            raise NoSuchPerson
        already = Request.objects.filter(
            subject=held, kind=Request.Kind.DELETION, state__in=OPEN
        ).first()
        if already is not None:
            return already, ""
        request = _store(subject=held, now=now, received_at=received_at or now)
        if shown is not None and current.fresh(now).document.collection_point(POINT) is not None:
            ledger.submit(
                subject_id=held.pk, point=POINT, fields=(), shown=shown, actor=actor, now=now
            )
        _note_received(request, actor=actor, now=now)
        posted = answers.post(request=request, template="deletion_received", now=now)
        token = posted.token if posted else links.mint(request=request, now=now)
        if request.approvals_needed == 0:
            review.approve_by_rule(request_id=request.pk, now=now)
            request.refresh_from_db()
        return request, token


def _note_received(request: Request, *, actor: Actor, now: datetime) -> None:
    record(
        actor=actor,
        verb="requests.received",
        now=now,
        object=request,
        subject_id=request.subject_id,
        facts={
            "kind": str(request.kind),
            "channel": str(request.channel),
            "due_at": request.due_at.isoformat(),
            "policy": request.policy_digest,
        },
    )


def _store(*, subject: Subject, now: datetime, received_at: datetime) -> Request:
    version = current.fresh(now)
    document, kind = version.document, Request.Kind.DELETION
    request = Request.objects.create(
        subject=subject,
        kind=kind,
        channel=Request.Channel.PRIVACY_CENTRE,
        state=Request.State.IN_REVIEW,
        language=translation.get_language() or "en",
        policy_digest=version.digest,
        received_at=received_at,
        verified_at=now,
        due_at=rules.due_at(document=document, kind=kind, received_at=received_at),
        approvals_needed=rules.rule_for(document=document, kind=kind).approvals,
    )
    step = RequestEvent.Step
    RequestEvent.objects.bulk_create(
        [
            RequestEvent(request=request, step=step.RECEIVED, at=received_at, until=request.due_at),
            RequestEvent(request=request, step=step.VERIFIED, at=now),
        ]
    )
    return request
