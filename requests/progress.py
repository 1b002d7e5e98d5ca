"""How far a request is, told step by step; the same for its owner and for the link in a mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from datamap.encryption import decrypt
from requests import fulfil, rules, state, wording
from requests.handling import Events, Shown, Work
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
class Progress:
    """A request's page. headline: its state in one sentence. work: how far carrying out is.
    template, details: what its kind shows besides. moving: whether the page should ask again by
    itself. version: changes whenever the page would look different.
    """

    request: Request
    headline: str
    steps: list[Shown]
    reason: str
    delay: str
    work: Work
    template: str
    details: dict[str, Any]
    may_withdraw: bool
    moving: bool
    version: str


def of(*, request: Request, now: datetime) -> Progress:
    """Everything the status page says; three queries at most."""
    document = rules.version_of(request).document
    handling = fulfil.of(request.kind)
    events = {event.step: event for event in request.events.order_by("at")}
    work = handling.work(request)
    return Progress(
        request=request,
        headline=_headline(request, work, document.zone, now),
        steps=_steps(request, events, work, document.zone),
        reason=decrypt(bytes(request.reason)) if request.reason else "",
        delay=decrypt(bytes(request.extension_reason)) if request.extension_reason else "",
        work=work,
        template=f"requests/{handling.name}/status.html",
        details=handling.for_person(request, document=document, now=now),
        may_withdraw=may_withdraw(request, work),
        moving=request.is_open,
        version=f"{request.state}.{len(events)}.{work.done}.{work.total}.{work.mark}",
    )


def may_withdraw(request: Request, work: Work) -> bool:
    """Whether the person can still take it back: until carrying out begins."""
    return state.may_become(state=request.state, to=S.WITHDRAWN) and not work.begun


def _headline(request: Request, work: Work, zone: ZoneInfo, now: datetime) -> str:
    due = wording.day(request.due_at, zone)
    waiting = {
        S.RECEIVED: _("We have your request. You get an answer by %(due)s.") % {"due": due},
        S.VERIFYING: _("We are making sure it is you. You get an answer by %(due)s.")
        % {"due": due},
        S.IN_REVIEW: _("A person reads your request. You get an answer by %(due)s.") % {"due": due},
    }
    if request.state in waiting:
        return waiting[S(request.state)]
    return fulfil.of(request.kind).headline(request, work=work, zone=zone, now=now)


def _steps(request: Request, events: Events, work: Work, zone: ZoneInfo) -> list[Shown]:
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
    last = fulfil.of(request.kind).last_steps(request, events=events, work=work, zone=zone)
    return [*shown, *last]


def _reading(request: Request, events: Events, zone: ZoneInfo) -> Shown:
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
