"""Pages for what two people of the staff decide."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts import approval
from accounts.models import Approval, User
from audit.access import note_access, personal, staff_page
from policy import current

ERRAND = approval.ERRAND


@personal
@staff_page()
@require_safe
def approvals(request: HttpRequest) -> HttpResponse:
    """What waits for this person's decision, and what they asked for; nothing about anybody."""
    now, user = timezone.now(), _user(request)
    rows = [
        {"approval": each, "kind": approval.kind_of(each).title, "mine": mine}
        for each, mine in approval.open_to(user=user, now=now)
    ]
    context = {"rows": rows, "zone": current.document(now).zone, "nav_current": "staff"}
    return render(request, "accounts/approvals.html", context)


@personal
@staff_page()
@require_safe
def one(request: HttpRequest, handle: str) -> HttpResponse:
    """What would be done, in words; reading it is written down."""
    now, user = timezone.now(), _user(request)
    found = approval.waiting(now=now).filter(handle=handle).first()
    if found is None:
        raise Http404
    mine = found.asked_by_id == user.subject_id
    in_place_of = None
    if not mine:
        try:
            in_place_of = approval.seat(approval=found, by=user, now=now)
        except (approval.NotAllowed, approval.OwnAffair):
            raise Http404 from None
    kind = approval.kind_of(found)
    if found.about_id is not None:
        note_access(
            request=request,
            permission=kind.ask if mine else kind.decide,
            subject_id=found.about_id,
            task=f"{ERRAND}:{found.handle}",
            reason="what one asked for" if mine else "to decide as the second person",
            now=now,
        )
    context = {
        "approval": found,
        "kind": kind.title,
        "sentence": kind.tell(found),
        "note": approval.note_of(found),
        "mine": mine,
        "in_place_of": in_place_of,
        "zone": current.document(now).zone,
        "nav_current": "staff",
    }
    return render(request, "accounts/approval.html", context)


@personal
@staff_page()
@require_POST
def approve(request: HttpRequest, handle: str) -> HttpResponse:
    """Agree to what the page showed."""
    seen = request.POST.get("seen", "")
    return _act(
        request,
        lambda user, now: approval.approve(handle=handle, seen=seen, by=user, now=now),
        _("Agreed, and done."),
    )


@personal
@staff_page()
@require_POST
def refuse(request: HttpRequest, handle: str) -> HttpResponse:
    """Say no."""
    return _act(
        request,
        lambda user, now: approval.refuse(handle=handle, by=user, now=now),
        _("Refused. Nothing was changed."),
    )


@personal
@staff_page()
@require_POST
def withdraw(request: HttpRequest, handle: str) -> HttpResponse:
    """Take back what one asked for."""
    return _act(
        request,
        lambda user, now: approval.withdraw(handle=handle, by=user, now=now),
        _("Taken back. Nothing was changed."),
    )


def _act(
    request: HttpRequest, act: Callable[[User, datetime], Approval], done: str
) -> HttpResponse:
    """Do it, or say kindly why not; either way the list is shown."""
    try:
        act(_user(request), timezone.now())
    except approval.NotAllowed:
        raise Http404 from None
    except approval.OwnAffair:
        messages.error(request, _("Nobody decides on themselves. Somebody else does."))
    except approval.NotWaiting:
        messages.info(request, _("Nothing has changed: this does not wait any more."))
    except approval.Changed:
        messages.error(request, _("Nothing has changed: this is not what you saw. Look again."))
    except approval.CantBeDone:
        messages.error(request, _("Nothing has changed: this can't be done any more. Refuse it."))
    else:
        messages.success(request, done)
    return redirect("accounts:approvals")


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
