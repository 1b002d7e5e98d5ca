"""The desk: reviewers take a request, approve it or deny it with a reason; people withdraw theirs.

Every function locks the people's rows first and the request second, the order in which an erasure
ends too. So two people who decide at the same instant do so one after the other, and the second
learns what the first did.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from accounts.models import User
from audit.log import SYSTEM, Actor, record, staff
from consent import ledger, mail
from consent.models import Kind
from datamap.encryption import encrypt
from datamap.models import Subject
from policy import current
from requests import answers, explain, rules, state
from requests.models import Approval, Request, RequestEvent
from retention import erase
from retention.models import Erasure

LONGEST_REASON: Final = 4000
REASON: Final = "request"  # of the erasure
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


class TransferRefused(Exception):
    """The person's consent to a transfer this site depends on was taken back, so the request can't
    be: their data has no place to stay. `title` names the transfer.
    """

    def __init__(self, *, title: str) -> None:
        self.title = title
        super().__init__(f"no consent stands for the transfer {title!r}")


class TooLate(Exception):
    """Erasing has begun, or the extension comes after the first period."""


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
            _tell(request, Step.CLAIMED, now)
        _record(request, staff(reviewer.pk), "requests.claimed", now)
        request.refresh_from_db()
        return request


def release(*, request_id: UUID, reviewer: User, now: datetime) -> Request:
    """Give a request back that one has taken. Raises `AlreadyClaimed` when it is another's."""
    with _held(request_id, reviewer) as request:
        if request.claimed_by_id not in (None, reviewer.subject_id):
            raise AlreadyClaimed
        Request.objects.filter(pk=request.pk).update(claimed_by=None, claimed_at=None)
        _record(request, staff(reviewer.pk), "requests.released", now)
        request.refresh_from_db()
        return request


def approve(*, request_id: UUID, reviewer: User, now: datetime) -> Request:
    """Give one approval; with the last one the policy asks for, the erasure is set off.

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
        _record(request, staff(reviewer.pk), "requests.approval_given", now, given=given)
        if given < request.approvals_needed:
            _tell(request, Step.APPROVAL, now)
            Request.objects.filter(pk=request.pk).update(claimed_by=None, claimed_at=None)
        else:
            _set_off(request, actor=staff(reviewer.pk), now=now)
        request.refresh_from_db()
        return request


def approve_by_rule(*, request_id: UUID, now: datetime) -> Request:
    """Approve where the policy asks for nobody's approval. Raises `state.WrongState`."""
    with _held(request_id) as request:
        if request.approvals_needed != 0:
            raise ValueError(f"request {request.pk} needs {request.approvals_needed} approvals")
        _set_off(request, actor=SYSTEM, now=now)
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
        _tell(request, Step.DENIED, now)
        _record(request, staff(reviewer.pk), "requests.denied", now)
        request.refresh_from_db()
        answers.post(
            request=request, template="deletion_denied", now=now, context={"reason": reason}
        )
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
        _tell(request, Step.EXTENDED, now, until=due_at)
        _record(request, staff(reviewer.pk), "requests.extended", now, due_at=due_at.isoformat())
        request.refresh_from_db()
        answers.post(
            request=request, template="deletion_extended", now=now, context={"reason": reason}
        )
        return request


def withdraw(*, request_id: UUID, actor: Actor, now: datetime) -> Request:
    """The person takes the request back, until erasing begins.

    Raises `TooLate` once it has begun, `state.WrongState` when the request is closed,
    `TransferRefused` until the person agrees again to a transfer they had taken back (WC-13).
    """
    with _held(request_id) as request:
        if request.state == S.IN_PROGRESS:
            raise TooLate
        if request.is_open:
            _require_transfers(request, now)
        # Moved before the erasure is cancelled: `fulfil` sets an approved request's erasure off
        # again when somebody else cancels it.
        state.move(request_id=request.pk, to=S.WITHDRAWN, closed_at=now)
        if request.erasure is not None:
            _call_off(request.erasure, actor=actor, now=now)
        if request.answer_id is not None:
            mail.drop(message_id=request.answer_id, now=now)
        _tell(request, Step.WITHDRAWN, now)
        _record(request, actor, "requests.withdrawn", now)
        request.refresh_from_db()
        answers.post(request=request, template="deletion_withdrawn", now=now)
        return request


def _require_transfers(request: Request, now: datetime) -> None:
    standing = ledger.standing(request.subject_id)
    for transfer in current.fresh(now).document.transfers:
        chosen = standing.get((Kind.TRANSFER, transfer.key))
        asked = transfer.mechanism == "explicit consent"
        if asked and chosen is not None and not chosen.is_yes:
            raise TransferRefused(title=transfer.title)


def _call_off(erasure: Erasure, *, actor: Actor, now: datetime) -> None:
    """Cancel what the approval set off. What another reason set off is not the person's to stop."""
    if erasure.reason != REASON:
        raise TooLate
    try:
        erase.cancel(erasure_id=erasure.pk, actor=actor, now=now)
    except erase.AlreadyBegun:
        raise TooLate from None


def _set_off(request: Request, *, actor: Actor, now: datetime) -> None:
    """Approved: plan the erasure after the undo window, and write both mails while we can."""
    document = rules.version_of(request).document
    undo_until = rules.undo_until(document=document, kind=request.kind, decided_at=now)
    erasure = erase.start(
        subject_id=request.subject_id,
        reason=REASON,
        actor=actor,
        now=now,
        due_at=undo_until,
    )
    state.move(
        request_id=request.pk,
        to=S.APPROVED,
        decision=Request.Decision.APPROVED,
        decided_at=now,
        undo_until=undo_until,
        erasure=erasure,
    )
    request.refresh_from_db()
    _tell(request, Step.APPROVED, now, until=undo_until)
    _record(request, actor, "requests.approved", now, erasure=str(erasure.pk))
    answers.post(request=request, template="deletion_approved", now=now)
    kept = [asdict(each) for each in explain.outcome(document=document).kept]
    answer = answers.post(
        request=request,
        template="deletion_done",
        now=now,
        context={"kept": kept},
        held=True,
        last=True,
    )
    if answer is not None:
        Request.objects.filter(pk=request.pk).update(answer_id=answer.message_id)


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


def _tell(request: Request, step: str, now: datetime, *, until: datetime | None = None) -> None:
    RequestEvent.objects.create(request=request, step=step, at=now, until=until)


def _record(request: Request, actor: Actor, verb: str, now: datetime, **facts: str | int) -> None:
    record(
        actor=actor,
        verb=verb,
        now=now,
        object=request,
        subject_id=request.subject_id,
        facts={"kind": str(request.kind), **facts},
    )
