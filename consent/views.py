"""Pages of this room: a person's choices with their history, and refusing by a mail's link."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from audit.access import personal
from audit.log import person
from consent import ledger, overview
from consent import unsubscribe as refusing
from consent.forms import SwitchForm
from consent.ledger import Shown
from consent.models import Kind
from consent.options import Option, option
from datamap.models import Subject
from policy import current
from policy.context import site_face

PER_PAGE = 50


@personal
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def choices(request: HttpRequest) -> HttpResponse:
    """Everything this person can choose, each with a switch; a POST moves one switch."""
    if request.method == "POST":
        return _move_switch(request)
    subject = get_object_or_404(Subject, pk=_me(request))
    groups = overview.groups(subject=subject, document=current.document())
    context = {"groups": groups, "nav_current": "privacy"}
    return render(request, "consent/choices.html", context)


@personal
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw_transfer(request: HttpRequest, key: str) -> HttpResponse:
    """What taking back the consent to a transfer brings, before it is done."""
    chosen = option(current.document(), kind=Kind.TRANSFER, key=key)
    if chosen is None:
        raise Http404
    standing = ledger.standing(_me(request)).get((Kind.TRANSFER, key))
    if standing is None or not standing.is_yes:
        return redirect("consent:choices")
    if request.method == "POST":
        text = f"{chosen.title}\n{chosen.withdrawn}"
        _decide(request, chosen, on=False, text=text)
        return redirect("consent:choices")
    return render(
        request, "consent/withdraw_transfer.html", {"option": chosen, "nav_current": "privacy"}
    )


@personal
@login_required
@require_safe
def history(request: HttpRequest, kind: str, key: str) -> HttpResponse:
    """Every decision this person made about one thing, with the words they saw."""
    document = current.document()
    chosen = option(document, kind=kind, key=key)
    events = ledger.history(_me(request), kind=kind, key=key)
    if kind not in overview.HEADINGS or (chosen is None and not events.exists()):
        raise Http404
    page = Paginator(events, PER_PAGE).get_page(request.GET.get("page"))
    versions = {version.digest: version for version in current.versions()}
    entries = [
        {
            "event": event,
            "sentence": overview.sentence(event=event, zone=document.zone),
            "version": versions.get(event.policy_digest),
        }
        for event in page
    ]
    context = {"title": chosen.title if chosen else key, "entries": entries, "page": page}
    return render(request, "consent/history.html", {**context, "nav_current": "privacy"})


@csrf_exempt  # mail programs post here (RFC 8058 3.1); the token in the address is the proof
@personal
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Refuse by the link in a mail: looking changes nothing, a POST acts, nothing is set."""
    document = current.document()
    message = refusing.find(token)
    if message is None:
        return _without_cookies("consent/unsubscribe_unknown.html", {}, status=404)
    mail = refusing.mail_of(message, document)
    everything = mail is None or request.POST.get("scope") == "everything"
    done = request.method == "POST"
    if done:
        shown = _words_of_refusal(request, mail, everything=everything, message_id=message.pk)
        refusing.refuse(
            message=message,
            everything=everything,
            shown=shown,
            document=document,
            now=timezone.now(),
        )
    context = {"mail": mail, "everything": everything, "done": done}
    return _without_cookies("consent/unsubscribe.html", context)


def _me(request: HttpRequest) -> UUID:
    """The subject of whoever is signed in."""
    user: Any = request.user
    subject_id: UUID = user.subject_id
    return subject_id


def _move_switch(request: HttpRequest) -> HttpResponse:
    form = SwitchForm(request.POST)
    if not form.is_valid():
        raise Http404
    kind, key, on = (form.cleaned_data[name] for name in ("kind", "key", "on"))
    chosen = option(current.document(), kind=kind, key=key)
    if chosen is None:
        raise Http404
    if chosen.withdrawn and not on:
        return redirect("consent:withdraw_transfer", key=key)
    _decide(request, chosen, on=on, text=chosen.words)
    return redirect(f"{reverse('consent:choices')}#{chosen.kind}-{chosen.key}")


def _decide(request: HttpRequest, chosen: Option, *, on: bool, text: str) -> None:
    """Write the decision down, or say why it can't be."""
    say = ledger.say_yes if on else ledger.say_no
    try:
        say(
            subject_id=_me(request),
            kind=chosen.kind,
            key=chosen.key,
            shown=Shown(text, surface="choices", locale=get_language() or "en"),
            actor=person(_me(request)),
            now=timezone.now(),
        )
    except ledger.SubjectClosed:
        messages.error(request, _("Your data is locked for now, so nothing can be allowed."))
    else:
        told = _("“%(title)s” is on from now.") if on else _("“%(title)s” is off from now.")
        messages.success(request, told % {"title": chosen.title})


def _words_of_refusal(
    request: HttpRequest, mail: Option | None, *, everything: bool, message_id: UUID
) -> Shown:
    """What was pressed: the page's button, or the mail program's own, whose words we don't know."""
    by_program = request.POST.get("List-Unsubscribe") == "One-Click"
    if by_program:
        text = "List-Unsubscribe=One-Click"
    elif everything or mail is None:
        text = _("No offers at all")
    else:
        text = _("No more of “%(title)s”") % {"title": mail.title}
    return Shown(
        text,
        surface="mail-program" if by_program else "unsubscribe",
        locale=get_language() or "en",
        channel="e-mail" if by_program else "web",
        evidence=f"consent.message:{message_id}",
    )


def _without_cookies(
    template: str, context: Mapping[str, object], *, status: int = 200
) -> HttpResponse:
    """Rendered without the request: session, messages and CSRF token stay untouched."""
    face = site_face()
    page = render_to_string(template, {**context, "site": face, "operator": face})
    return HttpResponse(page, status=status)
