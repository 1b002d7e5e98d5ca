"""One's connections: who asks, who agreed, whom one asked, whom one blocked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from accounts import connections as domain
from accounts import people
from accounts.connections import Asked, BlockedByYou, NotPossible, TooMany
from accounts.guards import limited, own_account
from accounts.introduced import NOBODY, Known, blocked_names, names
from accounts.models import Connection
from accounts.visibility import viewer_of
from audit.access import personal
from audit.log import person
from policy import current

PER_PAGE: Final = 50
Act = Callable[[UUID, str, datetime], None]
Line = dict[str, object]


def _accept(me: UUID, handle: str, now: datetime) -> None:
    domain.accept(asked_id=me, handle=handle, actor=person(me), now=now)


def _decline(me: UUID, handle: str, now: datetime) -> None:
    domain.decline(asked_id=me, handle=handle, actor=person(me), now=now)


def _take_back(me: UUID, handle: str, now: datetime) -> None:
    domain.withdraw(asker_id=me, handle=handle, actor=person(me), now=now)


def _end(me: UUID, handle: str, now: datetime) -> None:
    domain.end(subject_id=me, handle=handle, actor=person(me), now=now)


def _block(me: UUID, handle: str, now: datetime) -> None:
    other = domain.other_end(subject_id=me, handle=handle)
    domain.block(blocker_id=me, blocked_id=other, actor=person(me), now=now)


def _unblock(me: UUID, handle: str, now: datetime) -> None:
    domain.unblock(blocker_id=me, handle=handle, actor=person(me), now=now)


ACTS: Final[dict[str, tuple[Act, Any]]] = {
    "accept": (_accept, gettext_lazy("You are connected.")),
    "decline": (_decline, gettext_lazy("You said no. They are not told.")),
    "take-back": (_take_back, gettext_lazy("You took it back.")),
    "end": (_end, gettext_lazy("You are no longer connected. They are not told.")),
    "block": (_block, gettext_lazy("Blocked. They are not told.")),
    "unblock": (_unblock, gettext_lazy("Not blocked any more.")),
}


@login_required
@personal
@require_safe
def connections(request: HttpRequest) -> HttpResponse:
    """Everything between oneself and others."""
    me, now = own_account(request).subject_id, timezone.now()
    point = current.document(now).collection_point(domain.POINT)
    page = Paginator(domain.connections_of(me), PER_PAGE).get_page(request.GET.get("page"))
    lists = {**_open(me, list(page), now), "blocked": _blocked(me, now)}
    if point is None and not any(lists.values()):
        raise Http404
    context = {"point": point, "page": page, **lists, "nav_current": "privacy"}
    return render(request, "accounts/connections.html", context)


@login_required
@limited("connect")
@require_POST
def act_on_connection(request: HttpRequest, handle: str, act: str) -> HttpResponse:
    """One of `ACTS` on one of one's own rows."""
    if act not in ACTS:
        raise Http404
    do, told = ACTS[act]
    try:
        do(own_account(request).subject_id, handle, timezone.now())
    except NotPossible:
        raise Http404 from None
    messages.success(request, told)
    return redirect("accounts:connections")


@login_required
@limited("connect")
@require_POST
def ask_person(request: HttpRequest, handle: str) -> HttpResponse:
    """Ask the person of this page to be connected."""
    me, now = own_account(request).subject_id, timezone.now()
    try:
        asked = domain.ask(
            asker_id=me, asked_id=_person(request, handle, now), actor=person(me), now=now
        )
    except NotPossible:
        raise Http404 from None
    except BlockedByYou:
        messages.error(request, _("You blocked this person. Lift that first."))
    except TooMany:
        told = _("You asked many people lately. Wait for answers, or try again tomorrow.")
        messages.error(request, told)
    else:
        met = asked is Asked.CONNECTED
        told = _("You are connected.") if met else _("Asked. If they agree, you see it here.")
        messages.success(request, told)
    return redirect("accounts:connections")


@login_required
@limited("connect")
@require_POST
def block_person(request: HttpRequest, handle: str) -> HttpResponse:
    """Block the person of this page."""
    me, now = own_account(request).subject_id, timezone.now()
    try:
        blocked = _person(request, handle, now)
        domain.block(blocker_id=me, blocked_id=blocked, actor=person(me), now=now)
    except NotPossible:
        raise Http404 from None
    messages.success(request, ACTS["block"][1])
    return redirect("accounts:connections")


def _person(request: HttpRequest, handle: str, now: datetime) -> UUID:
    """Whose page it is, as far as this viewer may see it. Raises `NotPossible`."""
    shown = people.by_handle(handle=handle, viewer=viewer_of(request), now=now)
    if shown is None:
        raise NotPossible
    return shown.subject_id


def _open(me: UUID, connected: list[Connection], now: datetime) -> dict[str, list[Line]]:
    """Connections, and questions in both directions, with the names of the others."""
    waiting = list(domain.waiting_for(me)[:PER_PAGE])
    asked = list(domain.asked_by(me)[:PER_PAGE])
    ends = {c.pk: c.asked_id if c.asker_id == me else c.asker_id for c in connected}
    everybody = [*ends.values(), *(r.asker_id for r in waiting), *(r.asked_id for r in asked)]
    known = names(people=everybody, to=me, now=now)
    return {
        "connected": [_line(c, known.get(ends[c.pk])) for c in connected],
        "waiting": [_line(r, known.get(r.asker_id)) for r in waiting],
        "asked": [_line(r, known.get(r.asked_id)) for r in asked],
    }


def _blocked(me: UUID, now: datetime) -> list[Line]:
    blocks = list(domain.blocks_of(me)[:PER_PAGE])
    known = blocked_names(people=[b.blocked_id for b in blocks], by=me, now=now)
    return [_line(b, known.get(b.blocked_id) if b.blocked_id else None) for b in blocks]


def _line(row: object, known: Known | None) -> Line:
    return {"row": row, "who": known or NOBODY}
