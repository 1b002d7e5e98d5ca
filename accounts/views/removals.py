"""Pages for people who do not want to be invited: no account, no log-in, no reasons asked."""

from __future__ import annotations

from typing import Any

from allauth.core import ratelimit
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts import invitations as inviting
from accounts import suppressions
from accounts.forms.invitations import OneAddressForm
from accounts.guards import limited
from accounts.models import Suppression
from accounts.suppressions import Wish
from accounts.views.invitations import gone, policy_with_invitations
from audit.access import personal
from audit.log import VISITOR
from policy import current


@csrf_exempt  # mail programs post here (RFC 8058 3.1); the token in the address is the proof
@personal
@require_http_methods(["GET", "HEAD", "POST"])
def invitation_remove(request: HttpRequest, token: str) -> HttpResponse:
    """Remove the invited address: looking changes nothing, the button does it at once."""
    found = inviting.find(token)
    if found is None:
        return gone(request)
    done = request.method == "POST"
    if done:
        suppressions.remove(
            address_hash=found.address_hash,
            basis=Suppression.Basis.LINK,
            actor=VISITOR,
            now=timezone.now(),
            # Who said yes may have another address than the one that was invited.
            subject_id=None if found.accepted_at else found.invitee_id,
        )
    return render(request, "accounts/invitation_remove.html", {"done": done, **_about_keeping()})


@limited("invitation_address")
@personal
@require_http_methods(["GET", "HEAD", "POST"])
def invitation_address(request: HttpRequest, wish: str) -> HttpResponse:
    """Ask by form; the address itself gets the link. The answer is the same for every address."""
    policy_with_invitations(timezone.now())
    form = OneAddressForm(request.POST or None)
    context: dict[str, Any] = {"form": form, "lifting": wish == Wish.LIFT}
    if form.is_valid():
        _ask(request, form.cleaned_data["email"], Wish(wish))
        context["asked"] = True
    return render(request, "accounts/invitation_address.html", context)


@personal
@require_http_methods(["GET", "HEAD", "POST"])
def invitation_proved(request: HttpRequest, token: str) -> HttpResponse:
    """The link from that mail: looking changes nothing, the button does it."""
    try:
        proof = suppressions.read(token)
    except suppressions.BadProof:
        return gone(request)
    done = request.method == "POST"
    if done:
        suppressions.carry_out(proof=proof, actor=VISITOR, now=timezone.now())
    context = {"done": done, "lifting": proof.wish is Wish.LIFT, **_about_keeping()}
    return render(request, "accounts/invitation_proved.html", context)


def _ask(request: HttpRequest, email: str, wish: Wish) -> None:
    """One mail, unless this address got several lately: nobody is flooded by our form."""
    if ratelimit.consume(request, action="invitation_letter", key=email):
        language = get_language() or "en"
        suppressions.ask(address=email, wish=wish, now=timezone.now(), language=language)


def _about_keeping() -> dict[str, Any]:
    """How long a removed address is remembered, and whether there is a form to lift that."""
    document = current.document()
    rules = document.rules_for("accounts.suppression")
    period = rules[0].period if rules else None
    return {"period": period, "asking": inviting.offered(document)}
