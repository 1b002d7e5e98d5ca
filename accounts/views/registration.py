"""Pages of joining: the age screen, sign-up, and the door that stays shut."""

from __future__ import annotations

from datetime import datetime

from allauth.core import ratelimit
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from accounts import screen
from accounts.forms.age import BirthDateForm
from accounts.forms.signup import SignupForm
from accounts.guards import before_sign_up, limited, refused
from accounts.registration import (
    Application,
    NotOldEnough,
    PassOutdated,
    TransferDeclined,
    register,
)
from accounts.screen import AgePass, Judgement
from accounts.views.invitations import INVITED, invited_by
from audit.access import personal
from policy import current
from policy.document import Document, Transfer


@limited("age")
@personal
@before_sign_up
@require_http_methods(["GET", "HEAD", "POST"])
def age(request: HttpRequest) -> HttpResponse:
    """The neutral age screen."""
    now = timezone.now()
    version = current.in_force(now)
    document = version.document
    if not screen.needed(document):
        return redirect("accounts:signup")
    form = BirthDateForm(request.POST or None, now=now.astimezone(document.zone))
    if not (form.is_valid() and form.born_on):
        point = document.collection_point("age-screen")
        return render(request, "accounts/age.html", {"form": form, "point": point})
    judged = screen.judge(form.born_on, document=document, now=now)
    if judged is Judgement.TOO_YOUNG:
        return refused(request)
    advise = judged is Judgement.MINOR and document.age.minors_advice
    response = redirect("accounts:age_advice" if advise else "accounts:signup")
    age_pass = AgePass(born_on=form.born_on, passed_at=now, policy_digest=version.digest)
    screen.remember_pass(response, age_pass, now=now)
    return response


@personal
@before_sign_up
@require_GET
def age_advice(request: HttpRequest) -> HttpResponse:
    """The policy's advice to minors, before anything else is asked (WC-16)."""
    now = timezone.now()
    document = current.document(now)
    age_pass = screen.pass_of(request, now=now)
    if age_pass is None or not document.age.minors_advice:
        return redirect("accounts:signup")
    context = {"advice": document.age.minors_advice}
    response = render(request, "accounts/age_advice.html", context)
    screen.remember_pass(response, age_pass.advised(now), now=now)
    return response


@limited("signup")
@sensitive_post_parameters("password")
@personal
@before_sign_up
@require_http_methods(["GET", "HEAD", "POST"])
def signup(request: HttpRequest) -> HttpResponse:
    """The last step: names, address, password, and what has to be asked by itself."""
    now = timezone.now()
    document = current.document(now)
    age_pass = screen.pass_of(request, now=now)
    if (elsewhere := _before_form(request, document, age_pass, now)) is not None:
        return elsewhere
    judged = screen.judge(age_pass.born_on, document=document, now=now) if age_pass else None
    is_minor = judged is Judgement.MINOR
    form = SignupForm(request.POST or None, document=document, minor=is_minor)
    if form.is_bound and (transfer := form.declined()):
        return _declined(request, transfer)
    if not form.is_valid():
        return render(request, "accounts/signup.html", {"form": form, "point": form.point})
    return _register(request, form, age_pass, now)


@require_GET
@personal
def locked(request: HttpRequest) -> HttpResponse:
    """Why somebody with the right password does not get in."""
    return render(request, "accounts/locked.html")


def _before_form(
    request: HttpRequest, document: Document, age_pass: AgePass | None, now: datetime
) -> HttpResponse | None:
    """The step that has to come first, if one does."""
    if not screen.needed(document):
        return None
    if age_pass is None:
        return redirect("accounts:age")
    judged = screen.judge(age_pass.born_on, document=document, now=now)
    if judged is Judgement.TOO_YOUNG:
        return refused(request)
    if age_pass.policy_digest != current.in_force(now).digest:
        return redirect("accounts:age")
    advise = judged is Judgement.MINOR and document.age.minors_advice
    if advise and age_pass.advised_at is None:
        return redirect("accounts:age_advice")
    return None


def _register(
    request: HttpRequest, form: SignupForm, age_pass: AgePass | None, now: datetime
) -> HttpResponse:
    try:
        register(application=_application(request, form, age_pass), now=now)
    except NotOldEnough:
        return refused(request)
    except PassOutdated:
        return redirect("accounts:age")
    except TransferDeclined as declined:
        transfer = current.document(now).transfer(declined.key)
        return _declined(request, transfer) if transfer else redirect("accounts:signup")
    request.session.pop(INVITED, None)
    response = redirect("account_email_verification_sent")
    screen.forget_pass(response)
    return response


def _application(request: HttpRequest, form: SignupForm, age_pass: AgePass | None) -> Application:
    data = form.cleaned_data
    return Application(
        email=data["email"],
        password=data["password"],
        first_name=data.get("first_name", ""),
        last_name=data.get("last_name", ""),
        fields=form.filled,
        words=form.words,
        age_pass=age_pass,
        transfers=form.agreed,
        mail=form.mail,
        locale=get_language() or "en",
        invitation=invited_by(request),
        may_mail=ratelimit.consume(request, action="confirm_email", key=data["email"]),
    )


def _declined(request: HttpRequest, transfer: Transfer) -> HttpResponse:
    return render(request, "accounts/declined.html", {"transfer": transfer})
