"""A deletion request: an approval plans the erasure, whose verified end is the answer (GDPR 17)."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _

from audit.log import SYSTEM, Actor
from consent import ledger, mail
from consent.models import Kind
from policy import current
from policy.document import Document
from requests import answers, explain, rules, state, trail, wording
from requests.handling import Events, Handling, Shown, TooLate, Work
from requests.models import OPEN, Request, RequestEvent
from retention import erase
from retention.models import Erasure

REASON: Final = "request"  # of the erasure
S = Request.State
Step = RequestEvent.Step


class TransferRefused(Exception):
    """The person's consent to a transfer this site depends on was taken back, so the request can't
    be: their data has no place to stay. `title` names the transfer.
    """

    def __init__(self, *, title: str) -> None:
        self.title = title
        super().__init__(f"no consent stands for the transfer {title!r}")


class Deletion(Handling):
    """Everything about the person goes, after the undo window."""

    kinds = (Request.Kind.DELETION,)
    name = "deletion"
    point = "deletion-request"
    decision_answers = True

    def set_off(self, request: Request, *, actor: Actor, now: datetime) -> dict[str, str | int]:
        """Plan the erasure after the undo window, and write both mails while we can."""
        erasure = erase.start(
            subject_id=request.subject_id,
            reason=REASON,
            actor=actor,
            now=now,
            due_at=request.undo_until,
        )
        Request.objects.filter(pk=request.pk).update(erasure=erasure)
        answers.post(request=request, template="deletion_approved", now=now)
        document = rules.version_of(request).document
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
        return {"erasure": str(erasure.pk)}

    def check_may_withdraw(self, request: Request, *, now: datetime) -> None:
        """Raises `TransferRefused` until the person agrees again to a transfer they had taken
        back (WC-13).
        """
        refused = _refused_transfer(request.subject_id, now=now)
        if refused:
            raise TransferRefused(title=refused)

    def call_off(self, request: Request, *, actor: Actor, now: datetime) -> None:
        """Cancel the erasure. What another reason set off is not the person's to stop."""
        if request.erasure is not None:
            if request.erasure.reason != REASON:
                raise TooLate
            try:
                erase.cancel(erasure_id=request.erasure.pk, actor=actor, now=now)
            except erase.AlreadyBegun:
                raise TooLate from None
        if request.answer_id is not None:
            mail.drop(message_id=request.answer_id, now=now)

    def overtake(self, *, subject_id: UUID, erasure_id: UUID, at: datetime) -> None:
        """Whoever set the erasure off, the person's open request is answered by it. The answer
        was written while the address was known; it is released here.
        """
        open_ones = Request.objects.select_for_update().filter(
            subject_id=subject_id, kind__in=self.kinds, state__in=OPEN
        )
        for request in open_ones:
            state.move(request_id=request.pk, to=S.COMPLETED, closed_at=at, erasure_id=erasure_id)
            trail.tell(request, Step.COMPLETED, at)
            trail.prove(request, SYSTEM, "requests.completed", at, erasure=str(erasure_id))
            if request.answer_id is not None:
                mail.release(message_id=request.answer_id, now=at)

    def work(self, request: Request) -> Work:
        """Kinds of data already erased, and all."""
        if request.erasure is None or request.erasure.started_at is None:
            return Work()
        steps = list(request.erasure.steps.values_list("done", flat=True))
        done, total = sum(steps), len(steps)
        return Work(
            begun=True,
            done=done,
            total=total,
            label=_("Kinds of data deleted"),
            text=_("%(done)d of %(total)d") % {"done": done, "total": total},
        )

    def headline(self, request: Request, *, work: Work, zone: ZoneInfo, now: datetime) -> str:
        """Where it stands."""
        if request.state == S.APPROVED and not work.begun and request.undo_until is not None:
            when = wording.moment(request.undo_until, zone)
            return _("Approved. Deleting begins on %(when)s.") % {"when": when}
        if request.is_open:
            return _("Your data is being deleted now.")
        words = {
            S.COMPLETED: _("Your data is deleted, and we checked that nothing was left behind."),
            S.DENIED: _("We can't do what you asked. The reason is below."),
            S.WITHDRAWN: _("You withdrew this request. Nothing was deleted."),
            S.EXPIRED: _("This request expired. Nothing was deleted."),
        }
        return words[S(request.state)]

    def last_steps(
        self, request: Request, *, events: Events, work: Work, zone: ZoneInfo
    ) -> list[Shown]:
        """Approved, then deleted and checked."""
        return [_approved(request, events, work, zone), _deleted(request, events, work, zone)]

    def for_person(self, request: Request, *, document: Document, now: datetime) -> dict[str, Any]:
        """What was kept, once it is done."""
        if request.state != S.COMPLETED:
            return {"kept": []}
        rows = explain.count_rows(subject_id=request.subject_id)
        return {
            "kept": explain.outcome(document=document, rows=rows).kept,
            "copies_notice": wording.copies_notice(),
        }

    def for_reviewer(self, request: Request, *, now: datetime) -> dict[str, Any]:
        """What approving would take, without the kinds of data there is nothing of."""
        steps = erase.preview(subject_id=request.subject_id)
        grounds = rules.version_of(request).document.grounds
        return {
            "preview": [step for step in steps if step.rows or step.kept],
            "grounds": {ground.key: ground.title for ground in grounds},
            "refused_transfer": _refused_transfer(request.subject_id, now=now),
            "approve": _("Approve the deletion"),
            "consequence": _(
                "The person is told by e-mail, and everything listed above is deleted. After that "
                "begins it can't be undone."
            ),
        }


def set_off_again(*, subject_id: UUID, erasure_id: UUID, at: datetime) -> None:
    """An erasure was cancelled by another room while an approved request rests on it: the person
    still asked for it, so it is planned anew.
    """
    approved = Request.objects.select_for_update().filter(
        subject_id=subject_id, erasure_id=erasure_id, state=S.APPROVED
    )
    for request in approved:
        erasure = erase.start(
            subject_id=subject_id, reason=REASON, actor=SYSTEM, now=at, due_at=request.undo_until
        )
        Request.objects.filter(pk=request.pk).update(erasure=erasure)


def follow(*, now: datetime) -> int:
    """Note of approved requests whose erasure has begun that it has; returns how many."""
    begun = Request.objects.filter(state=S.APPROVED, erasure__started_at__isnull=False).exclude(
        erasure__state=Erasure.State.CANCELLED
    )
    moved = 0
    for request_id, started_at in begun.values_list("pk", "erasure__started_at")[:500]:
        moved += _begin(request_id=request_id, started_at=started_at or now, now=now)
    return moved


def _begin(*, request_id: UUID, started_at: datetime, now: datetime) -> int:
    with transaction.atomic():
        try:
            state.move(request_id=request_id, to=S.IN_PROGRESS)
        except state.WrongState:
            return 0  # it was completed meanwhile
        request = Request.objects.get(pk=request_id)
        trail.tell(request, Step.STARTED, started_at)
        trail.prove(request, SYSTEM, "requests.started", now)
    return 1


def _refused_transfer(subject_id: UUID, *, now: datetime) -> str:
    """The title of a transfer the account hangs on and the person took their consent back from,
    which opens this request by itself (`requests.transfers`); empty when there is none.
    """
    standing = ledger.standing(subject_id)
    for transfer in current.fresh(now).document.transfers:
        chosen = standing.get((Kind.TRANSFER, transfer.key))
        asked = transfer.mechanism == "explicit consent"
        if asked and chosen is not None and not chosen.is_yes:
            return transfer.title
    return ""


def _approved(request: Request, events: Events, work: Work, zone: ZoneInfo) -> Shown:
    if Step.APPROVED not in events:
        return Shown(_("Approved"), "done" if request.state == S.COMPLETED else "todo")
    note = wording.moment(events[Step.APPROVED].at, zone)
    if request.state == S.APPROVED and not work.begun and request.undo_until is not None:
        until = wording.moment(request.undo_until, zone)
        note += ". " + _("You can withdraw until %(until)s.") % {"until": until}
    return Shown(_("Approved"), "done", note)


def _deleted(request: Request, events: Events, work: Work, zone: ZoneInfo) -> Shown:
    title = _("Your data is deleted and checked")
    if Step.COMPLETED in events:
        return Shown(title, "done", wording.moment(events[Step.COMPLETED].at, zone))
    if request.state not in (S.APPROVED, S.IN_PROGRESS):
        return Shown(title, "todo")
    if work.total:
        note = _("%(done)d of %(total)d kinds of data are gone.")
        return Shown(title, "now", note % {"done": work.done, "total": work.total})
    return Shown(title, "now", _("Waits for its turn; this takes minutes at most once it began."))
