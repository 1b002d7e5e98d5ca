"""Staff pages: writing down that an account is said to be a child's."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import child_reports
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
    if not form.is_valid() or not _report(request, form, now):
        return render(request, "accounts/report_child.html", {"form": form})
    messages.success(request, _("The account is locked. The person is told how to object."))
    return redirect("accounts:report_child")


def _report(request: HttpRequest, form: ReportChildForm, now: datetime) -> bool:
    """Act on the report, and write down whose account was looked up; the form says if none was."""
    data = form.cleaned_data
    user = User.objects.select_related("subject").filter(email=data["email"]).first()
    note = partial(
        note_access,
        request=request,
        permission=PERMISSION,
        reason=f"report that an account is a child's: {data['reference']}",
        now=now,
    )
    if user is None:
        note(subject_id=None, task=f"{child_reports.ERRAND}:none")
        form.add_error("email", _("No account has this address."))
        return False
    with transaction.atomic():
        report_child(
            subject=user.subject,
            source=data["source"],
            actor=staff(request.user.pk),  # type: ignore[arg-type]  # staff_page lets only users in
            now=now,
            arrived_at=data["arrived_at"],
        )
        task = child_reports.task_of(subject_id=user.subject_id, at=now)
        note(subject_id=user.subject_id, task=task)
    return True
