"""The desk: reviewers take a request, approve it or deny it with a reason; people withdraw theirs.

Every function locks the people's rows first and the request second, the order in which an erasure
ends too. So two people who decide at the same instant do so one after the other, and the second
learns what the first did.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from accounts.models import User
from audit.log import SYSTEM, Actor, staff
from datamap.encryption import encrypt
from datamap.models import Subject
from requests import answers, fulfil, rules, state, trail
from requests.handling import TooLate as TooLate  # raised here, and part of what callers handle
from requests.models import Approval, Request, RequestEvent

LONGEST_REASON: Final = 4000
S = Request.State
Step = RequestEvent.Step


class OwnRequest(Exception):
    """Nobody decides on themselves."""


class AlreadyApproved(Exception):
    """This reviewer has approved already; the other approval must be somebody else's."""


class AlreadyClaimed(Exception):
    """Somebody else has taken the request."""


class ReasonMissing(ValueError):
    """A denial and a delay are told with their reason (GDPR 12(3), 12(4))."""


def claim(*, request_id: UUID, reviewer: User, now: datetime) -> Request:
    """Take a request, so that others see somebody reads it.

    Raises `OwnRequest`, `AlreadyClaimed`, `state.WrongState`.
    """
    with _held(request_id, reviewer) as request:
        _refuse_own(request, reviewer)
        _require(request, S.IN_REVIEW, wanted="claimed")
        if request.claimed_by_id == reviewer.subject_id:
            return request
        if request.claimed_by_id is not None:
            raise AlreadyClaimed
        Request.objects.filter(pk=request.pk).update(claimed_by=reviewer.subject_id, claimed_at=now)
        if not request.events.filter(step=Step.CLAIMED).exists():
            trail.tell(request, Step.CLAIMED, now)
        trail.prove(request, staff(reviewer.pk), "requests.claimed", now)
        request.refresh_from_db()
        return request


def release(*, request_id: UUID, reviewer: User, now: datetime) -> Request:
    """Give a request back that one has taken. Raises `AlreadyClaimed` when it is another's."""
    with _held(request_id, reviewer) as request:
        if request.claimed_by_id not in (None, reviewer.subject_id):
            raise AlreadyClaimed
        Request.objects.filter(pk=request.pk).update(claimed_by=None, claimed_at=None)
        trail.prove(request, staff(reviewer.pk), "requests.released", now)
        request.refresh_from_db()
        return request


def approve(*, request_id: UUID, reviewer: User, now: datetime) -> Request:
    """Give one approval; with the last one the policy asks for, what was asked for is set off.

    Raises `OwnRequest`, `AlreadyApproved`, `state.WrongState`.
    """
    with _held(request_id, reviewer) as request:
        _refuse_own(request, reviewer)
        _require(request, S.IN_REVIEW, wanted=S.APPROVED)
        _given, new = Approval.objects.get_or_create(
            request=request,
            reviewer_id=reviewer.subject_id,
            defaults={"at": now, "subject_id": request.subject_id},
        )
        if not new:
            raise AlreadyApproved
        given = request.approvals.count()
        trail.prove(request, staff(reviewer.pk), "requests.approval_given", now, given=given)
        if given < request.approvals_needed:
            trail.tell(request, Step.APPROVAL, now)
            Request.objects.filter(pk=request.pk).update(claimed_by=None, claimed_at=None)
        else:
            _yes(request, actor=staff(reviewer.pk), now=now)
        request.refresh_from_db()
        return request


def approve_by_rule(*, request_id: UUID, now: datetime) -> Request:
    """Approve where the policy asks for nobody's approval. Raises `state.WrongState`."""
    with _held(request_id) as request:
        if request.approvals_needed != 0:
            raise ValueError(f"request {request.pk} needs {request.approvals_needed} approvals")
        _yes(request, actor=SYSTEM, now=now)
        request.refresh_from_db()
        return request


def deny(*, request_id: UUID, reviewer: User, reason: str, now: datetime) -> Request:
    """Refuse, and tell the person why, where to complain and that a court is open (GDPR 12(4)).

    Raises `OwnRequest`, `ReasonMissing`, `state.WrongState`.
    """
    reason = _reason(reason)
    with _held(request_id, reviewer) as request:
        _refuse_own(request, reviewer)
        state.move(
            request_id=request.pk,
            to=S.DENIED,
            decision=Request.Decision.DENIED,
            decided_at=now,
            closed_at=now,
            reason=encrypt(reason),
        )
        trail.tell(request, Step.DENIED, now)
        trail.prove(request, staff(reviewer.pk), "requests.denied", now)
        request.refresh_from_db()
        _answer(request, "denied", now, reason=reason)
        return request


def extend(*, request_id: UUID, reviewer: User, reason: str, now: datetime) -> Request:
    """Take the one extension the rule allows, told with its reason in the first period.

    Raises `OwnRequest`, `ReasonMissing`, `TooLate` (over, taken, or none allowed: GDPR 12(3)).
    """
    reason = _reason(reason)
    with _held(request_id, reviewer) as request:
        _refuse_own(request, reviewer)
        _require(request, S.IN_REVIEW, wanted="extended")
        document = rules.version_of(request).document
        extension = rules.rule_for(document=document, kind=request.kind).extension
        if extension is None or request.extended_at is not None or now >= request.due_at:
            raise TooLate
        due_at = rules.end_of(extension, start=request.due_at, document=document)
        Request.objects.filter(pk=request.pk).update(
            due_at=due_at, extended_at=now, extension_reason=encrypt(reason)
        )
        trail.tell(request, Step.EXTENDED, now, until=due_at)
        trail.prove(
            request, staff(reviewer.pk), "requests.extended", now, due_at=due_at.isoformat()
        )
        request.refresh_from_db()
        _answer(request, "extended", now, reason=reason)
        return request


def withdraw(*, request_id: UUID, actor: Actor, now: datetime) -> Request:
    """The person takes the request back, until carrying out begins.

    Raises `TooLate` once it has begun, `state.WrongState` when the request is closed, and what
    the kind itself objects (`deletion.TransferRefused`).
    """
    with _held(request_id) as request:
        handling = fulfil.of(request.kind)
        if request.state == S.IN_PROGRESS:
            raise TooLate
        if request.is_open:
            handling.check_may_withdraw(request, now=now)
        # Moved before anything is called off: an approved request's erasure is planned anew when
        # somebody else cancels it.
        state.move(request_id=request.pk, to=S.WITHDRAWN, closed_at=now)
        handling.call_off(request, actor=actor, now=now)
        trail.tell(request, Step.WITHDRAWN, now)
        trail.prove(request, actor, "requests.withdrawn", now)
        request.refresh_from_db()
        _answer(request, "withdrawn", now)
        return request


def _yes(request: Request, *, actor: Actor, now: datetime) -> None:
    """Approved: note it, and let the kind set off what was asked for."""
    document = rules.version_of(request).document
    undo_until = rules.undo_until(document=document, kind=request.kind, decided_at=now)
    state.move(
        request_id=request.pk,
        to=S.APPROVED,
        decision=Request.Decision.APPROVED,
        decided_at=now,
        undo_until=undo_until,
    )
    request.refresh_from_db()
    facts = fulfil.of(request.kind).set_off(request, actor=actor, now=now)
    trail.tell(request, Step.APPROVED, now, until=undo_until)
    trail.prove(request, actor, "requests.approved", now, **facts)


def _answer(request: Request, ending: str, now: datetime, **context: str) -> None:
    """Post the kind's letter of this ending."""
    name = fulfil.of(request.kind).name
    answers.post(request=request, template=f"{name}_{ending}", now=now, context=context)


@contextmanager
def _held(request_id: UUID, reviewer: User | None = None) -> Iterator[Request]:
    """The request under its lock. The rows of person and reviewer are locked before it and in one
    order, or two reviewers who decide on each other's request would wait for one another.
    """
    with transaction.atomic():
        subject_id = Request.objects.values_list("subject_id", flat=True).get(pk=request_id)
        involved = {subject_id, reviewer.subject_id} if reviewer is not None else {subject_id}
        list(Subject.objects.select_for_update().filter(pk__in=involved).order_by("pk"))
        yield Request.objects.select_for_update().get(pk=request_id)


def _refuse_own(request: Request, reviewer: User) -> None:
    if request.subject_id == reviewer.subject_id:
        raise OwnRequest


def _require(request: Request, found: str, *, wanted: str) -> None:
    if request.state != found:
        raise state.WrongState(request_id=request.pk, found=request.state, wanted=wanted)


def _reason(text: str) -> str:
    text = text.strip()
    if not text or len(text) > LONGEST_REASON or "\x00" in text:
        raise ReasonMissing
    return text
