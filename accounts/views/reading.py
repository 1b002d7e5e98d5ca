"""Staff look a person up for an open task; people see when that was, and why."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import reading
from accounts.forms.staff import FindForm
from accounts.guards import limited, own_account
from accounts.models import User
from audit.access import note_access, personal, staff_page
from policy import current

FIND = "accounts.find_person"
PER_PAGE = 25


@personal
@staff_page(FIND)
@limited("find_person")
@require_http_methods(["GET", "HEAD", "POST"])
def find(request: HttpRequest) -> HttpResponse:
    """Whose account an address belongs to: for a reason, and a task that is about this person."""
    now = timezone.now()
    form = FindForm(request.POST or None)
    found = _found(request, form, now) if form.is_valid() else None
    context = {
        "form": form,
        "found": reading.card(user=found, now=now) if found else None,
        "zone": current.document(now).zone,
        "nav_current": "staff",
    }
    return render(request, "accounts/find_person.html", context)


@personal
@login_required
@require_safe
def accesses(request: HttpRequest) -> HttpResponse:
    """When staff read one's data: in which role, for what, why. No names."""
    user = own_account(request)
    rows = reading.of_person(subject_id=user.subject_id)
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "lines": [reading.line(each) for each in page],
        "zone": current.document().zone,
        "nav_current": "privacy",
    }
    return render(request, "accounts/accesses.html", context)


def _found(request: HttpRequest, form: FindForm, now: datetime) -> User | None:
    """The person, once the reading is written down. One answer for a wrong address and for a task
    that is closed or somebody else's.
    """
    data = form.cleaned_data
    user, task = reading.find(email=data["email"], number=data["task"], now=now)
    note_access(
        request=request,
        permission=FIND,
        subject_id=user.subject_id if user else None,
        task=task,
        reason=data["reason"],
        now=now,
    )
    if user is None:
        told = _("There is no open task of this number about a person with this address.")
        form.add_error("task", told)
    return user
