"""Pages of inviting: one's own, and the one behind the link in an invitation."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import invitations as inviting
from accounts.forms.invitations import InviteForm
from accounts.guards import limited, own_account
from accounts.models import Invitation, User
from audit.access import personal
from audit.log import person
from consent.ledger import Shown
from policy import current
from policy.document import Document

INVITED = "invitation"  # where a browser's session keeps which invitation its owner said yes to


@login_required
@limited("invite")
@personal
@require_http_methods(["GET", "HEAD", "POST"])
def invitations(request: HttpRequest) -> HttpResponse:
    """Invite somebody, see how many one invited, and answer invitations to oneself."""
    now, user = timezone.now(), own_account(request)
    document = policy_with_invitations(now)
    form = InviteForm(request.POST or None)
    if form.is_valid() and _invite(form, user, document, now):
        messages.success(request, _("Done. If we may write to that address, one message goes."))
        return redirect("accounts:invitations")
    point = document.collection_point(inviting.POINT)
    context = {
        "form": form,
        "point": point,
        "left": inviting.left_today(subject_id=user.subject_id, document=document, now=now),
        "days": inviting.counts(subject_id=user.subject_id, now=now),
        "received": [_received(row) for row in inviting.received(user.subject_id)],
        "nav_current": "privacy",
    }
    return render(request, "accounts/invitations.html", context)


@login_required
@require_POST
def answer_invitation(request: HttpRequest, handle: str) -> HttpResponse:
    """Accept or drop an invitation to one's own address."""
    now, user = timezone.now(), own_account(request)
    invitation = get_object_or_404(Invitation, handle=handle, invitee=user.subject_id)
    says_yes = request.POST.get("answer") == "accept"
    act = inviting.accept if says_yes else inviting.decline
    try:
        joined = act(invitation_id=invitation.pk, user=user, now=now)
    except (inviting.Gone, inviting.OwnAddress):
        raise Http404 from None
    told = joined_words(joined) if says_yes else _("The invitation is gone.")
    messages.info(request, told)
    return redirect("accounts:invitations")


@limited("invitation")
@personal
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Who invites, to what, and the two answers."""
    policy_with_invitations(timezone.now())
    found = inviting.find(token)
    name = _inviter_of(found)
    if found is None or not name:
        return gone(request)
    if request.method == "POST":
        return _accept(request, found)
    context = {"inviter": name, "token": token}
    return render(request, "accounts/invitation.html", context)


def invited_by(request: HttpRequest) -> UUID | None:
    """The invitation to which this browser said yes before signing up."""
    said = request.session.get(INVITED)
    return UUID(said) if said else None


def joined_words(joined: bool) -> str:
    """What accepting led to."""
    return _("You two are connected now.") if joined else _("You two can't be connected.")


def gone(request: HttpRequest) -> HttpResponse:
    """The page for links that lead nowhere, with the ways that are left."""
    context = {"asking": inviting.offered(current.document())}
    return render(request, "accounts/invitation_gone.html", context, status=404)


def policy_with_invitations(now: datetime) -> Document:
    """The policy in force. Raises `Http404` when it has no invitations."""
    document = current.document(now)
    if not inviting.offered(document):
        raise Http404
    return document


def _accept(request: HttpRequest, found: Invitation) -> HttpResponse:
    """Join at once who is signed in; others sign up first, and their browser remembers why."""
    if not isinstance(request.user, User):
        request.session[INVITED] = str(found.pk)
        return redirect("accounts:signup")
    try:
        joined = inviting.accept(invitation_id=found.pk, user=request.user, now=timezone.now())
    except inviting.OwnAddress:
        messages.error(request, _("This invitation is your own. Your friend can accept it."))
    except inviting.Gone:
        return gone(request)
    else:
        messages.info(request, joined_words(joined))
    return redirect("accounts:invitations")


def _invite(form: InviteForm, user: User, document: Document, now: datetime) -> bool:
    """Invite, or say in the form why not; never why not for an address."""
    point = document.collection_point(inviting.POINT)
    words = f"{point.notice if point else ''}\n{form.fields['email'].label}".strip()
    locale = get_language() or "en"
    try:
        inviting.invite(
            inviter=user,
            address=form.cleaned_data["email"],
            shown=Shown(words, surface="invitations", locale=locale),
            actor=person(user.subject_id),
            now=now,
            language=locale,
        )
    except inviting.InvitationRefused as refused:
        form.add_error(*_reason(refused))
        return False
    return True


def _reason(refused: inviting.InvitationRefused) -> tuple[str | None, str]:
    """Field and words."""
    match refused:
        case inviting.OwnAddress():
            return "email", _("This is your own address.")
        case inviting.TooMany(most=most):
            told = _("You invited %(most)d people today, and more are not possible. Try tomorrow.")
            return None, told % {"most": most}
        case inviting.NoName():
            return None, _(
                "Your name goes into the letter, and yours is missing or looks like a web address. "
                "Correct it first."
            )
        case _:
            return None, _("Your account can't invite anybody for now.")


def _received(row: Invitation) -> dict[str, Any]:
    return {"name": _inviter_of(row), "handle": row.handle, "at": row.invited_at}


def _inviter_of(found: Invitation | None) -> str:
    """The inviter's name; empty when they can't be joined any more."""
    if found is None or found.inviter is None or found.inviter.locked:
        return ""
    inviter = getattr(found.inviter, "user", None)
    try:
        return inviting.name_of(inviter) if isinstance(inviter, User) else ""
    except inviting.NoName:
        return ""
