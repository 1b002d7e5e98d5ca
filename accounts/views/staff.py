"""Pages of the staff about themselves: what they owe, who stands in for whom, the team."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import appointing, approval, staff, undertakings
from accounts.forms.staff import AppointForm, DeputyForm, SignForm, TrainingForm, first_moment
from accounts.guards import limited
from accounts.models import User
from accounts.roles import Role
from audit.access import personal, staff_page
from audit.log import staff as by_staff
from policy import current

TEAM, APPOINT = "accounts.team", "accounts.appoint"


@personal
@staff_page(duties=False)
@require_http_methods(["GET", "HEAD", "POST"])
def duties(request: HttpRequest) -> HttpResponse:
    """What is missing before the staff's pages open; the undertaking is signed here."""
    now, user = timezone.now(), _user(request)
    document = current.document(now)
    words = undertakings.words(document)
    seen = hashlib.sha256(words.encode()).hexdigest()
    form = SignForm(request.POST or None, initial={"seen": seen})
    if form.is_valid():
        if form.cleaned_data["seen"] == seen:
            until = undertakings.undertaking_end(document=document, start=now)
            undertakings.sign(user=user, words=words, until=until, now=now)
            messages.success(request, _("Signed. Thank you."))
            return redirect("accounts:duties" if user.missing_duties(now) else "staff")
        form = SignForm(initial={"seen": seen})
        messages.error(request, _("The words have changed. Read them again, please."))
    context = {
        "form": form,
        "words": words,
        "standing": undertakings.standing(user_ids=[user.pk], now=now)[user.pk],
        "missing": user.missing_duties(now),
        "soon": now + undertakings.SOON,
        "role": Role(user.staff_role).label,
        "zone": document.zone,
        "nav_current": "staff",
    }
    return render(request, "accounts/staff_duties.html", context)


@personal
@staff_page()
@require_http_methods(["GET", "HEAD", "POST"])
def deputies(request: HttpRequest) -> HttpResponse:
    """Who decides in one's place, and for whom one decides."""
    now, user = timezone.now(), _user(request)
    others = [each for each in staff.team(now=now) if each.user.pk != user.pk]
    named = [(each.handle, _named(each)) for each in others]
    form = DeputyForm(request.POST or None, colleagues=named)
    if form.is_valid() and _name(form, others, user, now):
        messages.success(request, _("Written down. You can end it any time."))
        return redirect("accounts:deputies")
    context = {
        "form": form,
        "rows": staff.deputies_of(user=user, now=now),
        "me": user.subject_id,
        "now": now,
        "zone": current.document(now).zone,
        "nav_current": "staff",
    }
    return render(request, "accounts/staff_deputies.html", context)


@personal
@staff_page()
@require_POST
def end_deputy(request: HttpRequest, handle: str) -> HttpResponse:
    """End a substitution early."""
    if not staff.end_deputy(handle=handle, by=_user(request), now=timezone.now()):
        raise Http404
    messages.success(request, _("Ended."))
    return redirect("accounts:deputies")


@personal
@staff_page(TEAM)
@require_safe
def team(request: HttpRequest) -> HttpResponse:
    """Everybody with a role, and until when undertaking and training are in force."""
    now = timezone.now()
    context = {
        "colleagues": staff.team(now=now),
        "soon": now + undertakings.SOON,
        "may_appoint": request.user.has_perm(APPOINT),
        "zone": current.document(now).zone,
        "nav_current": "staff",
    }
    return render(request, "accounts/staff_team.html", context)


@personal
@staff_page(APPOINT)
@limited("find_person")
@require_http_methods(["GET", "HEAD", "POST"])
def appoint(request: HttpRequest) -> HttpResponse:
    """Ask that somebody get a role; another person decides."""
    now = timezone.now()
    form = AppointForm(request.POST or None)
    if form.is_valid() and _ask(form, _user(request), now):
        messages.success(request, _("Asked. It counts once somebody else has agreed."))
        return redirect("accounts:approvals")
    return render(request, "accounts/staff_appoint.html", {"form": form, "nav_current": "staff"})


@personal
@staff_page(APPOINT)
@require_http_methods(["GET", "HEAD", "POST"])
def colleague(request: HttpRequest, handle: str) -> HttpResponse:
    """One of the team: write down training, take the role away."""
    now = timezone.now()
    found, document = _colleague(handle, now), current.document(now)
    form = TrainingForm(request.POST or None, today=now.astimezone(document.zone).date())
    is_self = found.user.pk == _user(request).pk
    if form.is_valid() and not is_self:
        done_at = first_moment(form.cleaned_data["done_on"], document.zone)
        undertakings.record_training(
            user=found.user,
            course=form.cleaned_data["course"],
            done_at=done_at,
            until=undertakings.training_end(document=document, start=done_at),
            actor=by_staff(_user(request).pk),
            now=now,
        )
        messages.success(request, _("Written down."))
        return redirect("accounts:team")
    context = {
        "colleague": found,
        "form": form,
        "is_self": is_self,
        "soon": now + undertakings.SOON,
        "zone": document.zone,
        "nav_current": "staff",
    }
    return render(request, "accounts/staff_colleague.html", context)


@personal
@staff_page(APPOINT)
@require_POST
def dismiss(request: HttpRequest, handle: str) -> HttpResponse:
    """Take a role away; the sessions end at once."""
    now = timezone.now()
    try:
        staff.dismiss(user=_colleague(handle, now).user, by=_user(request), now=now)
    except staff.OwnRole:
        messages.error(request, _("Nobody decides on themselves. Somebody else does."))
    except staff.LastAdmin:
        messages.error(request, _("This is the last privacy administrator. Appoint another first."))
    except staff.NotStaff:
        messages.info(request, _("The role was taken away already."))
    else:
        messages.success(request, _("The role is taken away, and the person is signed out."))
    return redirect("accounts:team")


def _ask(form: AppointForm, by: User, now: datetime) -> bool:
    """Ask for what the form says; what stands against it goes into the form."""
    data = form.cleaned_data
    users = User.objects.select_related("subject", "staff_member")
    user = users.filter(email=data["email"]).first()
    if user is None:
        form.add_error("email", _("No account has this address. They sign up first."))
        return False
    try:
        appointing.ask(user=user, role=Role(data["role"]), by=by, now=now, note=data["note"])
    except staff.NotConfirmed:
        form.add_error("email", _("This address is not confirmed yet."))
    except approval.OwnAffair:
        form.add_error("email", _("This is you. Somebody else has to ask for it."))
    except approval.AlreadyAsked:
        form.add_error("email", _("Something about this person waits for a decision already."))
    return form.is_valid()


def _name(form: DeputyForm, others: list[staff.Colleague], by: User, now: datetime) -> bool:
    """Name the deputy; what stands against it goes into the form."""
    starts_at, ends_at = form.span(current.document(now).zone)
    chosen = next(each for each in others if each.handle == form.cleaned_data["deputy"])
    try:
        staff.name_deputy(
            member=by, deputy=chosen.user, starts_at=starts_at, ends_at=ends_at, by=by, now=now
        )
    except staff.BadAbsence:
        most = {"days": staff.LONGEST_ABSENCE.days}
        told = _(
            "The last day comes after the first, is not over, and at most %(days)d days later."
        )
        form.add_error("last_day", told % most)
    return form.is_valid()


def _colleague(handle: str, now: datetime) -> staff.Colleague:
    found = staff.colleague(handle=handle, now=now)
    if found is None:
        raise Http404
    return found


def _named(each: staff.Colleague) -> str:
    return f"{each.user.get_full_name() or each.user.email} ({each.member.get_role_display()})"


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
