"""A request comes in: stored with its clock before anybody is told that we have it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import translation

from audit.log import Actor
from consent import ledger
from consent.ledger import Shown
from datamap.models import Subject
from datamap.same_person import selection
from policy import current
from requests import answers, fulfil, links, review, rules, trail
from requests.handling import Handling
from requests.models import OPEN, Request, RequestEvent


class NoSuchPerson(Exception):
    """The person's data is erased already, so there is nobody to open a request for."""


def open_request(
    *,
    subject: Subject,
    kind: str,
    actor: Actor,
    now: datetime,
    received_at: datetime | None = None,
    shown: Shown | None = None,
) -> tuple[Request, str]:
    """Open a verified person's request of one of the kinds in `fulfil.handled()`.

    The caller has made sure who asks (session and recent re-authentication). received_at: when it
    arrived, if that was before `now`. shown: the words on the page, for the ledger.

    Returns the request and the token of its status page. Asked twice, the open request comes back
    with an empty token: there is never a second one. Raises `NoSuchPerson` once the person is
    erased, `fulfil.NotHandled`, and what the kind itself objects (`copies.TooSoon`, `NoAccount`).
    """
    handling = fulfil.of(kind)
    with transaction.atomic():
        held = Subject.objects.select_for_update().get(pk=subject.pk)
        if held.erased_at is not None:
            raise NoSuchPerson
        already = open_one(subject_id=held.pk, kind=kind)
        if already is not None:
            return already, ""
        handling.check_may_ask(subject=held, now=now)
        request = _store(subject=held, kind=kind, now=now, received_at=received_at or now)
        _note_arrival(request, handling=handling, shown=shown, actor=actor, now=now)
        posted = answers.post(request=request, template=f"{handling.name}_received", now=now)
        token = posted.token if posted else links.mint(request=request, now=now)
        if request.approvals_needed == 0:
            review.approve_by_rule(request_id=request.pk, now=now)
            request.refresh_from_db()
        return request, token


def open_deletion(
    *,
    subject: Subject,
    actor: Actor,
    now: datetime,
    received_at: datetime | None = None,
    shown: Shown | None = None,
) -> tuple[Request, str]:
    """Open a request to delete everything about the person (GDPR 17); as `open_request`."""
    return open_request(
        subject=subject,
        kind=Request.Kind.DELETION,
        actor=actor,
        now=now,
        received_at=received_at,
        shown=shown,
    )


def open_one(*, subject_id: UUID, kind: str) -> Request | None:
    """The person's open request of this kind, or of one that is handled alike."""
    kinds = fulfil.of(kind).kinds
    open_ones = Request.objects.filter(kind__in=kinds, state__in=OPEN)
    return open_ones.filter(subject_id__in=selection(subject_id)).first()


def _note_arrival(
    request: Request, *, handling: Handling, shown: Shown | None, actor: Actor, now: datetime
) -> None:
    """What the person read before they asked, and that they asked."""
    point = current.fresh(now).document.collection_point(handling.point)
    if shown is not None and point is not None:
        ledger.submit(
            subject_id=request.subject_id,
            point=point.key,
            fields=(),
            shown=shown,
            actor=actor,
            now=now,
        )
    trail.prove(
        request,
        actor,
        "requests.received",
        now,
        channel=str(request.channel),
        due_at=request.due_at.isoformat(),
        policy=request.policy_digest,
    )


def _store(*, subject: Subject, kind: str, now: datetime, received_at: datetime) -> Request:
    version = current.fresh(now)
    document = version.document
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
