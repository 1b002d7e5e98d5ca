"""Staff pages: writing down that an account is said to be a child's."""

from __future__ import annotations

from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.age import report_child
from accounts.forms.children import ReportChildForm
from accounts.models import User
from audit.access import note_access, personal, staff_page
from audit.log import staff
from policy import current

PERMISSION = "accounts.report_child"


@staff_page(PERMISSION)
@personal
@require_http_methods(["GET", "HEAD", "POST"])
def report(request: HttpRequest) -> HttpResponse:
    """Record a report; the account is locked at once, which can be undone."""
    now = timezone.now()
    form = ReportChildForm(request.POST or None, now=now, document=current.document(now))
    user = _reported(request, form, now) if form.is_valid() else None
    if user is None:
        return render(request, "accounts/report_child.html", {"form": form})
    data = form.cleaned_data
    report_child(
        subject=user.subject,
        source=data["source"],
        actor=staff(request.user.pk),  # type: ignore[arg-type]  # staff_page lets only users in
        now=now,
        arrived_at=data["arrived_at"],
    )
    messages.success(request, _("The account is locked. The person is told how to object."))
    return redirect("accounts:report_child")


def _reported(request: HttpRequest, form: ReportChildForm, now: datetime) -> User | None:
    """The account of the address, looked up and written down; without one the form says so."""
    data = form.cleaned_data
    user = User.objects.select_related("subject").filter(email=data["email"]).first()
    note_access(
        request=request,
        permission=PERMISSION,
        subject_id=user.subject_id if user else None,
        task=data["reference"],
        reason="report that an account is a child's",
        now=now,
    )
    if user is None:
        form.add_error("email", _("No account has this address."))
    return user
