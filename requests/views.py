"""Pages for people: what we hold, asking for deletion, following a request."""

from __future__ import annotations

from datetime import datetime
from typing import cast
from urllib.parse import quote

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import User
from audit.access import personal
from audit.log import person
from consent.ledger import Shown
from datamap.same_person import selection
from policy import current
from requests import explain, intake, links, progress, review, rules, state, wording
from requests.deletion import Deletion, TransferRefused
from requests.handling import TooLate
from requests.models import Request


@personal
@login_required
@require_GET
def data(request: HttpRequest) -> HttpResponse:
    """Everything held about the person, by kind."""
    held = explain.held_about(
        subject_id=_user(request).subject_id, document=current.document(timezone.now())
    )
    context = {
        "held": [kind for kind in held if kind.rows],
        "absent": [kind for kind in held if not kind.rows],
        "nav_current": "privacy",
    }
    return render(request, "requests/data.html", context)


@personal
@login_required
@require_http_methods(["GET", "POST"])
@reauthentication_required(allow_get=True)  # type: ignore[untyped-decorator]  # allauth has no types
def delete(request: HttpRequest) -> HttpResponseBase:
    """What deleting means, and asking for it: after a fresh proof that it is them (CCPA, WC-7)."""
    now, user = timezone.now(), _user(request)
    document = current.document(now)
    point = document.collection_point(Deletion.point)
    words = [wording.copies_notice(), point.notice if point else ""]
    if request.method == "POST":
        shown = Shown(
            text="\n".join(filter(None, words)),
            surface="delete",
            locale=translation.get_language() or "en",
        )
        asked, _token = intake.open_deletion(
            subject=user.subject, actor=person(user.subject_id), now=now, shown=shown
        )
        return redirect("requests:own", asked.reference)
    context = {"copies_notice": words[0], "notice": words[1], "nav_current": "privacy"}
    return render(request, "requests/delete.html", context | _what_deleting_means(user, now))


@personal
@login_required
@require_GET
def own_list(request: HttpRequest) -> HttpResponse:
    """The person's requests, newest first."""
    mine = selection(_user(request).subject_id)
    asked = Request.objects.filter(subject_id__in=mine).order_by("-received_at")
    zone = current.document(timezone.now()).zone
    lines = [
        {
            "request": each,
            "received": wording.day(each.received_at, zone),
            "due": wording.day(each.due_at, zone),
            "closed": wording.day(each.closed_at, zone) if each.closed_at else "",
            "chip": progress.CHIPS[each.state],
        }
        for each in asked[:100]
    ]
    return render(request, "requests/list.html", {"lines": lines, "nav_current": "privacy"})


@personal
@login_required
@require_GET
def own(request: HttpRequest, reference: str) -> HttpResponse:
    """One of the person's requests, step by step."""
    asked = own_request(request, reference)
    return _progress(request, asked, reverse("requests:own_withdraw", args=[reference]))


@personal
@login_required
@require_POST
def own_withdraw(request: HttpRequest, reference: str) -> HttpResponse:
    """Take a request back."""
    _withdraw(request, own_request(request, reference))
    return redirect("requests:own", reference)


@personal
@require_GET
def status(request: HttpRequest, token: str) -> HttpResponse:
    """The same page for whoever holds the link from the mail; works when the account is gone."""
    asked = _by_token(token)
    return _progress(request, asked, reverse("requests:status_withdraw", args=[token]))


@personal
@require_POST
def status_withdraw(request: HttpRequest, token: str) -> HttpResponse:
    """Take a request back through the link from the mail."""
    _withdraw(request, _by_token(token))
    return redirect("requests:status", token)


def _progress(request: HttpRequest, asked: Request, withdraw_url: str) -> HttpResponse:
    """The page, or 204 for a poll that has seen this state already: nothing is drawn anew."""
    shown = progress.of(request=asked, now=timezone.now())
    if request.GET.get("seen") == shown.version and "HX-Request" in request.headers:
        return HttpResponse(status=204)
    context = {
        "progress": shown,
        **shown.details,
        "withdraw_url": withdraw_url,
        "poll_url": f"{request.path}?seen={quote(shown.version)}",
        "nav_current": "privacy",
    }
    return render(request, "requests/status.html", context)


def _withdraw(request: HttpRequest, asked: Request) -> None:
    try:
        review.withdraw(request_id=asked.pk, actor=person(asked.subject_id), now=timezone.now())
    except (TooLate, state.WrongState):
        messages.error(request, _("This can't be withdrawn any more. Nothing has changed."))
    except TransferRefused as refused:
        told = _(
            "You took back your consent to “%(title)s”, and without it we can't keep your data. "
            "Agree to it again on the page of your choices; then take this request back."
        )
        messages.error(request, told % {"title": refused.title})


def own_request(request: HttpRequest, reference: str) -> Request:
    """The signed-in person's request of this name; others' do not exist for them."""
    return get_object_or_404(
        Request.objects.select_related("subject", "erasure"),
        reference=reference,
        subject_id__in=selection(_user(request).subject_id),
    )


def _by_token(token: str) -> Request:
    asked = links.find(token=token, now=timezone.now())
    if asked is None:
        raise Http404
    return asked


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def _what_deleting_means(user: User, now: datetime) -> dict[str, object]:
    document = current.document(now)
    return {
        "outcome": explain.outcome(
            document=document, rows=explain.count_rows(subject_id=user.subject_id)
        ),
        "rule": rules.rule_for(document=document, kind=Request.Kind.DELETION),
        "due_on": wording.day(
            rules.due_at(document=document, kind=Request.Kind.DELETION, received_at=now),
            document.zone,
        ),
        "already": intake.open_one(subject_id=user.subject_id, kind=Request.Kind.DELETION),
    }
