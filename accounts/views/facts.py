"""What others said about oneself, what one said about others, and saying it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import facts as domain
from accounts import people
from accounts.facts import NoSuchFact, NotWanted, TooMany
from accounts.forms.facts import AudienceForm, FactForm
from accounts.guards import limited, own_account
from accounts.introduced import NOBODY, names
from accounts.models import Fact, User
from accounts.visibility import Shown, viewer_of
from audit.access import personal
from audit.log import person
from consent import ledger
from consent.models import Kind
from consent.options import option
from policy import current

MOST_SHOWN: Final = 200
Lines = list[dict[str, object]]


@login_required
@personal
@require_safe
def facts(request: HttpRequest) -> HttpResponse:
    """What others said about oneself, where it is from, and what one said about others (WC-12)."""
    user, now = own_account(request), timezone.now()
    document = current.document(now)
    context = {
        "choice": option(document, kind=Kind.PURPOSE, key=domain.CHOICE),
        "on": domain.wants(subject_id=user.subject_id, document=document),
        "contact": document.controller.email,
        **_lists(user, now),
        "nav_current": "privacy",
    }
    return render(request, "accounts/facts.html", context)


@login_required
@limited("fact")
@require_POST
def act_on_fact(request: HttpRequest, handle: str, act: str) -> HttpResponse:
    """Accept a fact about oneself, change who sees it, remove it; or take back what one told."""
    user, now = own_account(request), timezone.now()
    try:
        messages.success(request, _act(request, user, handle, act, now))
    except NoSuchFact:
        raise Http404 from None
    except ValidationError as error:
        messages.error(request, error.messages[0])
    return redirect("accounts:facts")


@login_required
@personal
@limited("fact")
@require_http_methods(["GET", "HEAD", "POST"])
def tell_fact(request: HttpRequest, handle: str) -> HttpResponse:
    """Tell something about the person of this page, where they let others."""
    me, now = own_account(request).subject_id, timezone.now()
    shown = people.by_handle(handle=handle, viewer=viewer_of(request), now=now)
    if shown is None or not domain.may_tell(
        contributor_id=me, subject_id=shown.subject_id, now=now
    ):
        raise Http404
    point = current.document(now).collection_point(domain.POINT)
    words = point.notice if point else ""
    form = FactForm(request.POST or None)
    if form.is_valid() and _told(request, form, shown, words, now):
        messages.success(request, _("Told. They decide whether anybody else sees it."))
        return redirect("accounts:person", handle=handle)
    context = {"form": form, "shown": shown, "words": words, "nav_current": "privacy"}
    return render(request, "accounts/facts_tell.html", context)


def _told(request: HttpRequest, form: FactForm, shown: Shown, words: str, now: datetime) -> bool:
    """Whether it was taken; else the reason is in the form."""
    try:
        domain.contribute(
            contributor_id=own_account(request).subject_id,
            subject_id=shown.subject_id,
            text=form.cleaned_data["text"],
            source=form.cleaned_data["source"],
            shown=ledger.Shown(words, surface="tell-fact", locale=get_language() or "en"),
            now=now,
        )
    except NotWanted:
        raise Http404 from None
    except TooMany:
        form.add_error(None, _("Enough for now. Wait until what you told was answered."))
        return False
    return True


def _act(request: HttpRequest, user: User, handle: str, act: str, now: datetime) -> str:
    """Carry one act out; the words about it. Raises `NoSuchFact`, `Http404`, `ValidationError`."""
    me, actor = user.subject_id, person(user.subject_id)
    if act == "remove":
        domain.remove(subject_id=me, handle=handle, actor=actor, now=now)
        return _("Removed. It is deleted.")
    if act == "take-back":
        domain.take_back(contributor_id=me, handle=handle, now=now)
        return _("Taken back. It is deleted.")
    form = AudienceForm(request.POST, minor=user.subject.minor)
    if act not in ("accept", "show"):
        raise Http404
    if not form.is_valid():
        raise ValidationError(_("Choose who sees it: nothing was changed."))
    audience = form.cleaned_data["audience"]
    if act == "accept":
        domain.accept(subject_id=me, handle=handle, audience=audience, actor=actor, now=now)
        return _("Accepted. It is seen by whom you chose.")
    domain.show_to(subject_id=me, handle=handle, audience=audience, actor=actor, now=now)
    return _("Saved. From now on it is shown so.")


def _lists(user: User, now: datetime) -> dict[str, Lines]:
    """Facts about the person by state, and what they told, with the names of the others."""
    about_me = list(domain.about(user.subject_id)[:MOST_SHOWN])
    told = list(domain.told_by(user.subject_id)[:MOST_SHOWN])
    others = [*(f.contributor_id for f in about_me), *(f.subject_id for f in told)]
    known = names(people=others, to=user.subject_id, now=now)
    by_state: dict[str, Lines] = {state: [] for state in Fact.State.values}
    for fact in about_me:
        who = known.get(fact.contributor_id, NOBODY) if fact.contributor_id else NOBODY
        by_state[fact.state].append({"fact": fact, "who": who, "form": _audience_form(fact, user)})
    return {
        "waiting": by_state[Fact.State.WAITING],
        "accepted": by_state[Fact.State.ACCEPTED],
        "on_file": by_state[Fact.State.ON_FILE],
        "told": [{"fact": f, "who": known.get(f.subject_id, NOBODY)} for f in told],
    }


def _audience_form(fact: Fact, user: User) -> AudienceForm:
    """Its fields' ids are unique on the page."""
    return AudienceForm(
        initial={"audience": fact.audience}, minor=user.subject.minor, auto_id=f"{fact.handle}_%s"
    )
