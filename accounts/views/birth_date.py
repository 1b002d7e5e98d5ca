"""The page of one's date of birth."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.age import Learned, end_careful_settings, is_grown, learn_birth_date
from accounts.forms.age import BirthDateForm
from accounts.guards import own_account, password_again
from accounts.models import AgeVerdict
from audit.access import personal
from audit.log import person
from policy import current


@login_required
@password_again
@personal
@require_http_methods(["GET", "HEAD", "POST"])
def birth_date(request: HttpRequest) -> HttpResponse:
    """See and correct one's date of birth (GDPR 16)."""
    now, user = timezone.now(), own_account(request)
    document = current.document(now)
    form = BirthDateForm(request.POST or None, now=now.astimezone(document.zone))
    if not (form.is_valid() and form.born_on):
        context = {
            "form": form,
            "verdict": AgeVerdict.objects.filter(subject_id=user.subject_id).first(),
            "point": document.collection_point("age-screen"),
            "grown": is_grown(subject=user.subject, now=now),
        }
        return render(request, "accounts/birth_date.html", context)
    learned = learn_birth_date(
        subject=user.subject,
        born_on=form.born_on,
        source=AgeVerdict.Source.PERSON,
        actor=person(user.subject_id),
        now=now,
    )
    return _birth_date_corrected(request, learned, advice=document.age.minors_advice)


@login_required
@require_POST
def end_careful(request: HttpRequest) -> HttpResponse:
    """Somebody who has come of age ends the settings of a minor."""
    user = own_account(request)
    if end_careful_settings(subject=user.subject, now=timezone.now()):
        messages.success(request, _("Done. Look at your choices: some may be on now."))
        return redirect("consent:choices")
    return redirect("accounts:birth_date")


def _birth_date_corrected(
    request: HttpRequest, learned: Learned, *, advice: str | None
) -> HttpResponse:
    if learned.child:
        logout(request)
        return redirect("accounts:locked")
    messages.success(request, _("Your date of birth is corrected."))
    if learned.minor and advice:
        messages.info(request, advice)
    return redirect("accounts:birth_date")
