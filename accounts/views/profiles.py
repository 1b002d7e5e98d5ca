"""One's own profile: what stands in it, who sees it, and how others see it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import profiles, uploads
from accounts.forms.profiles import ProfileForm
from accounts.guards import limited, own_account
from accounts.models import User
from accounts.profiles import NoProfiles, Own
from accounts.visibility import PARTS, POINT, Reach, rows, show
from audit.access import personal
from audit.log import person
from consent.ledger import Shown, SubjectClosed
from policy import current

AS: Final = {
    "visitor": (Reach.VISITOR, gettext_lazy("Visitors who are not signed in")),
    "member": (Reach.MEMBER, gettext_lazy("Members")),
    "connection": (Reach.CONNECTION, gettext_lazy("Your connections")),
}


@login_required
@personal
@limited("profile")
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """See and change one's profile, and who sees which part (WC-19)."""
    now, user = timezone.now(), own_account(request)
    own = _own(user, now)
    form = ProfileForm(
        request.POST or None, request.FILES or None, own=own, too_large=uploads.too_large(request)
    )
    if form.is_valid() and _save(form, user, now):
        messages.success(request, _("Saved. From now on it is shown so."))
        return redirect("accounts:profile")
    context = {
        "form": form,
        "own": own,
        "point": current.document(now).collection_point(POINT),
        "views": AS,
        "nav_current": "privacy",
    }
    return render(request, "accounts/profile.html", context)


@login_required
@personal
@require_safe
def profile_as(request: HttpRequest, who: str) -> HttpResponse:
    """One's own page as others see it, by the same decision."""
    now, user = timezone.now(), own_account(request)
    _own(user, now)
    if who not in AS:
        raise Http404
    reach, label = AS[who]
    found = rows(Q(subject_id=user.subject_id))
    shown = show(found, {user.subject_id: reach}, now=now)
    context = {
        "shown": shown[0] if shown and shown[0] else None,
        "lines": lines(shown[0]) if shown else [],
        "who": label,
        "key": who,
        "views": AS,
        "nav_current": "privacy",
    }
    return render(request, "accounts/profile_as.html", context)


def lines(shown: object) -> list[dict[str, str]]:
    """The texts of a page about somebody, after name and photo."""
    values: dict[str, str] = getattr(shown, "values", {})
    named = ("first_name", "last_name", "photo")
    return [
        {"term": str(PARTS[key].label), "text": values[key]}
        for key in PARTS
        if key in values and key not in named
    ]


def _own(user: User, now: datetime) -> Own:
    try:
        return profiles.own(subject_id=user.subject_id, now=now)
    except NoProfiles:
        raise Http404 from None


def _save(form: ProfileForm, user: User, now: datetime) -> bool:
    """Whether it was saved; otherwise the reason is in the form."""
    point = current.document(now).collection_point(POINT)
    words = point.notice if point else ""
    try:
        profiles.save(
            subject_id=user.subject_id,
            values=form.values,
            audiences=form.audiences,
            photo=form.read_photo,
            remove_photo=bool(form.cleaned_data.get("photo_remove")),
            shown=Shown(words, surface="profile", locale=get_language() or "en"),
            actor=person(user.subject_id),
            now=now,
        )
    except profiles.WrongParts as error:
        form.add_wrong(error)
    except SubjectClosed:
        form.add_error(None, _("Your data is only stored for now, so nothing can be added."))
    else:
        return True
    return False
