"""How far a request is, told step by step; the same for its owner and for the link in a mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from datamap.encryption import decrypt
from policy.document import Document
from requests import explain, rules, state, wording
from requests.models import Request, RequestEvent

S = Request.State
Step = RequestEvent.Step
# Colour and sign of a state, as components/chip.html names them.
CHIPS: Final[dict[str, str]] = {
    S.RECEIVED: "wait",
    S.VERIFYING: "wait",
    S.IN_REVIEW: "wait",
    S.APPROVED: "wait",
    S.IN_PROGRESS: "wait",
    S.COMPLETED: "kept",
    S.DENIED: "none",
    S.WITHDRAWN: "none",
    S.EXPIRED: "none",
}


@dataclass(frozen=True)
class Shown:
    """One step as components/steps.html draws it: done, now, failed or todo."""

    title: str
    state: str
    note: str = ""


@dataclass(frozen=True)
class Progress:
    """A request's page. headline: its state in one sentence. done, total: kinds of data already
    erased, and all. moving: whether the page should ask again by itself. version: changes
    whenever the page would look different.
    """

    request: Request
    headline: str
    steps: list[Shown]
    reason: str
    delay: str
    kept: list[explain.Kept]
    may_withdraw: bool
    moving: bool
    done: int
    total: int
    version: str


def of(*, request: Request, now: datetime) -> Progress:
    """Everything the status page says; three queries at most."""
    document = rules.version_of(request).document
    events = {event.step: event for event in request.events.order_by("at")}
    done, total = _erased_so_far(request)
    return Progress(
        request=request,
        headline=_headline(request, document.zone),
        steps=_steps(request, events, document, done, total),
        reason=decrypt(bytes(request.reason)) if request.reason else "",
        delay=decrypt(bytes(request.extension_reason)) if request.extension_reason else "",
        kept=_kept(request, document),
        may_withdraw=may_withdraw(request),
        moving=request.is_open,
        done=done,
        total=total,
        version=f"{request.state}.{len(events)}.{done}.{total}",
    )


def may_withdraw(request: Request) -> bool:
    """Whether the person can still take it back: until erasing begins."""
    begun = request.erasure is not None and request.erasure.started_at is not None
    return state.may_become(state=request.state, to=S.WITHDRAWN) and not begun


def _kept(request: Request, document: Document) -> list[explain.Kept]:
    if request.state != S.COMPLETED:
        return []
    rows = explain.count_rows(subject_id=request.subject_id)
    return explain.outcome(document=document, rows=rows).kept


def _erased_so_far(request: Request) -> tuple[int, int]:
    if request.erasure is None or request.erasure.started_at is None:
        return 0, 0
    steps = list(request.erasure.steps.values_list("done", flat=True))
    return sum(steps), len(steps)


def _headline(request: Request, zone: ZoneInfo) -> str:
    due = wording.day(request.due_at, zone)
    begun = request.erasure is not None and request.erasure.started_at is not None
    if request.state == S.APPROVED and not begun and request.undo_until is not None:
        when = wording.moment(request.undo_until, zone)
        return _("Approved. Deleting begins on %(when)s.") % {"when": when}
    if request.state in (S.APPROVED, S.IN_PROGRESS):
        return _("Your data is being deleted now.")
    words = {
        S.RECEIVED: _("We have your request. You get an answer by %(due)s.") % {"due": due},
        S.VERIFYING: _("We are making sure it is you. You get an answer by %(due)s.")
        % {"due": due},
        S.IN_REVIEW: _("A person reads your request. You get an answer by %(due)s.") % {"due": due},
        S.COMPLETED: _("Your data is deleted, and we checked that nothing was left behind."),
        S.DENIED: _("We can't do what you asked. The reason is below."),
        S.WITHDRAWN: _("You withdrew this request. Nothing was deleted."),
        S.EXPIRED: _("This request expired. Nothing was deleted."),
    }
    return words[S(request.state)]


def _steps(
    request: Request,
    events: dict[str, RequestEvent],
    document: Document,
    done: int,
    total: int,
) -> list[Shown]:
    zone = document.zone
    shown = [
        Shown(str(Step(step).label), "done", wording.moment(events[step].at, zone))
        for step in (Step.RECEIVED, Step.VERIFIED)
        if step in events
    ]
    if request.approvals_needed:
        shown.append(_reading(request, events, zone))
    for step, sign in (
        (Step.DENIED, "failed"),
        (Step.WITHDRAWN, "done"),
        (Step.EXPIRED, "failed"),
    ):
        if step in events:
            at = wording.moment(events[step].at, zone)
            return [*shown, Shown(str(Step(step).label), sign, at)]
    return [*shown, _approved(request, events, zone), _deleted(request, events, zone, done, total)]


def _reading(request: Request, events: dict[str, RequestEvent], zone: ZoneInfo) -> Shown:
    title = _("A person reads it")
    if request.decided_at is not None:
        return Shown(title, "done", wording.moment(request.decided_at, zone))
    if not request.is_open:
        return Shown(title, "done" if Step.CLAIMED in events else "todo")
    note = _("By %(due)s at the latest.") % {"due": wording.day(request.due_at, zone)}
    if Step.APPROVAL in events:
        note = _("One of two people approved; the second one reads it now. ") + note
    elif Step.CLAIMED in events:
        since = wording.moment(events[Step.CLAIMED].at, zone)
        note = _("Somebody took it on %(since)s. ") % {"since": since} + note
    return Shown(title, "now", note)


def _approved(request: Request, events: dict[str, RequestEvent], zone: ZoneInfo) -> Shown:
    if Step.APPROVED not in events:
        return Shown(_("Approved"), "done" if request.state == S.COMPLETED else "todo")
    note = wording.moment(events[Step.APPROVED].at, zone)
    if may_withdraw(request) and request.undo_until is not None:
        until = wording.moment(request.undo_until, zone)
        note += ". " + _("You can withdraw until %(until)s.") % {"until": until}
    return Shown(_("Approved"), "done", note)


def _deleted(
    request: Request, events: dict[str, RequestEvent], zone: ZoneInfo, done: int, total: int
) -> Shown:
    title = _("Your data is deleted and checked")
    if Step.COMPLETED in events:
        return Shown(title, "done", wording.moment(events[Step.COMPLETED].at, zone))
    if request.state not in (S.APPROVED, S.IN_PROGRESS):
        return Shown(title, "todo")
    if total:
        note = _("%(done)d of %(total)d kinds of data are gone.") % {"done": done, "total": total}
        return Shown(title, "now", note)
    return Shown(title, "now", _("Waits for its turn; this takes minutes at most once it began."))
