"""Pages for people: asking for a copy of their data, and downloading it."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.guards import password_again
from accounts.models import User
from audit.access import personal
from audit.log import person
from consent.ledger import Shown
from policy import current
from requests import copies, download, intake, package_orders, rules, wording
from requests.copies import Copies
from requests.forms import CopyForm
from requests.models import Package, Request
from requests.views import own_request


@personal
@login_required
@require_http_methods(["GET", "POST"])
def copy(request: HttpRequest) -> HttpResponseBase:
    """What a copy is and how one gets it; asking for it needs the password again."""
    return _ask(request) if request.method == "POST" else _page(request, CopyForm())


@personal
@login_required
@require_http_methods(["GET", "POST"])
@password_again
def package(request: HttpRequest, reference: str) -> HttpResponseBase:
    """The package: what to know about it, and the file itself on POST. Its owner's alone."""
    asked, now = own_request(request, reference), timezone.now()
    if request.method == "POST":
        return _hand_out(request, asked, now)
    found = copies.package_of(asked)
    if found is None or not copies.is_ready(found, now):
        raise Http404
    context = {"asked": asked, "nav_current": "privacy", **_to_know(found, asked)}
    return render(request, "requests/package.html", context)


def _to_know(found: Package, asked: Request) -> dict[str, object]:
    """What stands beside a package."""
    zone = rules.version_of(asked).document.zone
    ends, last = found.expires_at, found.last_downloaded_at
    return {
        "package": found,
        "entries": wording.amount(found.rows),
        "until": wording.moment(ends, zone) if ends else "",
        "last": wording.moment(last, zone) if last else "",
    }


def _hand_out(request: HttpRequest, asked: Request, now: datetime) -> HttpResponseBase:
    try:
        handed = download.hand_out(request=asked, actor=person(asked.subject_id), now=now)
    except download.NotThere:
        messages.error(request, _("This copy is no longer here. You can ask for a new one."))
        return redirect("requests:own", asked.reference)
    except download.NotNow:
        told = _("Your copy is there, but we can't read it just now. Please try again in a while.")
        messages.error(request, told)
        return redirect("requests:own", asked.reference)
    response = StreamingHttpResponse(handed.content, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{handed.filename}"'
    response["Content-Length"] = str(handed.size)
    # `personal` marks pages; a stream is none, so the words are said here, too (WC-7).
    response["Cache-Control"] = "private, no-store"
    response["X-Robots-Tag"] = "noindex, noarchive"
    return response


@password_again
def _ask(request: HttpRequest) -> HttpResponseBase:
    now, user = timezone.now(), cast(User, request.user)
    form = CopyForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    shown = Shown(_notice(now), surface="copy", locale=translation.get_language() or "en")
    try:
        asked, _link = intake.open_request(
            subject=user.subject,
            kind=form.cleaned_data["kind"],
            actor=person(user.subject_id),
            now=now,
            shown=shown if shown.text else None,
        )
    except copies.TooSoon:
        return redirect("requests:copy")  # which says from when on
    return redirect("requests:own", asked.reference)


def _page(request: HttpRequest, form: CopyForm) -> HttpResponse:
    now, user = timezone.now(), cast(User, request.user)
    context = {
        "form": form,
        "already": intake.open_one(subject_id=user.subject_id, kind=Request.Kind.ACCESS),
        "notice": _notice(now),
        "days": package_orders.LIFE.days,
        "nav_current": "privacy",
        **_when(user, now),
    }
    status = 422 if form.errors else 200
    return render(request, "requests/copy.html", context, status=status)


def _when(user: User, now: datetime) -> dict[str, object]:
    """By when a copy comes, who agrees before, and from when on there may be another."""
    document, kind = current.document(now), Request.Kind.ACCESS
    due_at = rules.due_at(document=document, kind=kind, received_at=now)
    again_at = copies.next_at(subject_id=user.subject_id)
    waits = again_at is not None and again_at > now
    return {
        "rule": rules.rule_for(document=document, kind=kind),
        "due_on": wording.day(due_at, document.zone),
        "again_at": wording.moment(again_at, document.zone) if again_at and waits else "",
    }


def _notice(now: datetime) -> str:
    """What the policy says where people hand over what this page takes."""
    point = current.document(now).collection_point(Copies.point)
    return point.notice if point else ""
