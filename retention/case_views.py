"""The desk for children's cases: see, read for a reason, decide."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import guardian_access, guardians
from accounts.models import Guardianship, User
from audit.access import note_access, personal, staff_page
from policy import current
from retention import children, overview
from retention.forms import ParentForm, ReasonForm, ReleaseForm
from retention.models import ChildCase

CHILDREN = "retention.children"
NOT_VERIFIED = (
    children.NotOpen,
    children.OwnCase,
    guardians.NoParentalPath,
    guardians.OwnWard,
    guardians.Over,
)


@personal
@staff_page(CHILDREN)
@require_GET
def cases(request: HttpRequest) -> HttpResponse:
    """All cases, open ones first, without anything about the person."""
    now = timezone.now()
    page = Paginator(overview.cases(), 50).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "lines": [overview.line(case, now=now) for case in page],
        "zone": current.document(now).zone,
        "nav_current": "staff",
    }
    return render(request, "retention/cases.html", context)


@personal
@staff_page(CHILDREN)
@require_http_methods(["GET", "POST"])
def case(request: HttpRequest, reference: str) -> HttpResponse:
    """One case. Reading what the person wrote needs a reason, which is written down first."""
    now, found = timezone.now(), get_object_or_404(ChildCase, reference=reference)
    reading = ReasonForm(request.POST or None, prefix="read")
    statement, opened = "", request.method == "POST" and reading.is_valid()
    if opened:
        note_access(
            request=request,
            permission=CHILDREN,
            subject_id=found.subject_id,
            task=f"{overview.ERRAND}:{found.reference}",
            reason=reading.cleaned_data["reason"],
            now=now,
        )
        statement = children.statement_of(found)
    return render(
        request,
        "retention/case.html",
        _case_context(request, found, now, reading, statement=statement, opened=opened),
    )


@personal
@staff_page(CHILDREN)
@require_POST
def release(request: HttpRequest, reference: str) -> HttpResponse:
    """Decide: not a child."""
    now, found = timezone.now(), get_object_or_404(ChildCase, reference=reference)
    form = ReleaseForm(request.POST, now=now, needed=children.needs_birth_date(found, now))
    if not form.is_valid():
        return _refuse(request, found, now, release=form)
    try:
        _release(request, found, form, now)
    except children.StillAChild:
        form.add_error("year", _("With this birth date the person is still a child."))
        return _refuse(request, found, now, release=form)
    except (children.NotOpen, children.OwnCase):
        return _too_late(request, found)
    messages.success(request, _("Released. The person can sign in again and has been told."))
    return redirect("retention:cases")


def _release(request: HttpRequest, found: ChildCase, form: ReleaseForm, now: datetime) -> None:
    children.confirm_not_child(
        case_id=found.pk,
        reason=form.cleaned_data["reason"],
        decider=_user(request),
        now=now,
        born_on=form.born_on,
    )


@personal
@staff_page(CHILDREN)
@require_POST
def confirm(request: HttpRequest, reference: str) -> HttpResponse:
    """Decide: a child."""
    now, found = timezone.now(), get_object_or_404(ChildCase, reference=reference)
    form = ReasonForm(request.POST, prefix="confirm")
    if not form.is_valid():
        return _refuse(request, found, now, confirm=form)
    try:
        children.confirm_child(
            case_id=found.pk,
            reason=form.cleaned_data["reason"],
            decider=_user(request),
            now=now,
        )
    except (children.NotOpen, children.OwnCase):
        return _too_late(request, found)
    messages.success(request, _("Confirmed. Everything about this person is being erased."))
    return redirect("retention:cases")


@personal
@staff_page(CHILDREN)
@require_POST
def parent(request: HttpRequest, reference: str) -> HttpResponse:
    """Decide: a parent's consent was verified."""
    now, found = timezone.now(), get_object_or_404(ChildCase, reference=reference)
    form = ParentForm(request.POST, prefix="parent")
    if not form.is_valid():
        return _refuse(request, found, now, parent=form)
    try:
        children.verify_parental_consent(
            case_id=found.pk,
            method=form.cleaned_data["method"],
            reason=form.cleaned_data["reason"],
            decider=_user(request),
            now=now,
        )
    except NOT_VERIFIED:
        return _too_late(request, found)
    messages.success(request, _("Recorded. The account is open again, with a minor's settings."))
    return redirect("retention:cases")


def _case_context(
    request: HttpRequest,
    found: ChildCase,
    now: datetime,
    reading: ReasonForm,
    *,
    statement: str = "",
    opened: bool = False,
    forms: Mapping[str, ReasonForm | ReleaseForm] = MappingProxyType({}),
) -> dict[str, object]:
    document = current.document(now)
    return {
        "case": found,
        "line": overview.line(found, now=now),
        "own": found.subject_id == _user(request).subject_id,
        "reading": reading,
        "statement": statement,
        **{f"{name}_form": form for name, form in _fresh_forms(found, now).items()},
        **{f"{name}_form": form for name, form in forms.items()},
        "parental": document.age.parental_consent,
        **_parent(found, opened=opened),
        "zone": document.zone,
        "nav_current": "staff",
    }


def _parent(found: ChildCase, *, opened: bool) -> dict[str, object]:
    """Where asking a parent stands; who it is only once a reason was written down."""
    row = Guardianship.objects.filter(subject_id=found.subject_id).first()
    known = row is not None and opened
    return {
        "parent": row,
        "parent_address": guardian_access.address_of(row) if row and known else "",
        "parent_contact": guardians.contact_of(row) if row and known else "",
    }


def _fresh_forms(found: ChildCase, now: datetime) -> dict[str, ReasonForm | ReleaseForm]:
    return {
        "release": ReleaseForm(now=now, needed=children.needs_birth_date(found, now)),
        "confirm": ReasonForm(prefix="confirm"),
        "parent": ParentForm(prefix="parent"),
    }


def _refuse(
    request: HttpRequest, found: ChildCase, now: datetime, **forms: ReasonForm | ReleaseForm
) -> HttpResponse:
    """The case again, with what has to be mended."""
    context = _case_context(request, found, now, ReasonForm(prefix="read"), forms=forms)
    return render(request, "retention/case.html", context, status=400)


def _too_late(request: HttpRequest, found: ChildCase) -> HttpResponse:
    messages.error(request, _("Not done: the case has moved on, or it is about you."))
    return redirect("retention:case", reference=found.reference)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
