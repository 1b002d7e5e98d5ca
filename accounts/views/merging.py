"""Staff page: two addresses of one person, held together or apart."""

from __future__ import annotations

from datetime import datetime
from typing import Final, cast
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import approval, merging
from accounts.forms.merging import MergeForm, SplitForm
from accounts.models import Approval, User
from audit.access import note_access, personal, staff_page
from datamap.models import Subject, SubjectMerge

REASON: Final = "to find out whether two addresses are one person's"


@staff_page(merging.ASK)
@personal
@require_http_methods(["GET", "HEAD", "POST"])
def same_person(request: HttpRequest) -> HttpResponse:
    """Ask that two addresses be held for one person's, or end that at once."""
    posted = request.POST if request.method == "POST" else None
    splitting = posted is not None and "split" in posted
    merge_form = MergeForm(None if splitting else posted, prefix="merge")
    split_form = SplitForm(posted if splitting else None, prefix="split")
    form, act = (split_form, _split) if splitting else (merge_form, _ask)
    if form.is_valid() and act(request, form, timezone.now()):
        return redirect("accounts:same_person")
    context = {"merge_form": merge_form, "split_form": split_form}
    status = 422 if form.errors else 200
    return render(request, "accounts/same_person.html", context, status=status)


def _ask(request: HttpRequest, form: forms.Form, now: datetime) -> bool:
    kept, merged = _found(request, form, "kept", now), _found(request, form, "merged", now)
    if kept is None or merged is None:
        return False
    try:
        with transaction.atomic():
            asked = merging.ask(
                kept=kept,
                merged=merged,
                reason=form.cleaned_data["reason"],
                by=_user(request),
                now=now,
            )
            _note(request, asked, REASON, now)
    except merging.SameSubject:
        form.add_error("merged", _("Both are held for one person already."))
    except approval.OwnAffair:
        form.add_error(None, _("Nobody decides about themselves: a colleague has to ask."))
    except approval.AlreadyAsked:
        form.add_error("kept", _("A question about this address waits for a second person."))
    else:
        messages.success(request, _("Nothing has changed yet: a second person has to agree."))
        return True
    return False


def _split(request: HttpRequest, form: forms.Form, now: datetime) -> bool:
    one, other = _found(request, form, "address", now), _found(request, form, "other", now)
    if one is None or other is None:
        return False
    try:
        with transaction.atomic():
            undone = merging.undo(subject=one, other=other, by=_user(request), now=now)
            _note(request, undone, form.cleaned_data["reason"], now)
    except merging.NotMerged:
        form.add_error("address", _("These two are not held for one person."))
        return False
    told = _("They stand on their own again, and both addresses are told.")
    messages.success(request, told)
    return True


def _found(request: HttpRequest, form: forms.Form, field: str, now: datetime) -> Subject | None:
    """Whose address that is. A search that finds nobody is written down, too."""
    subject = merging.subject_at(form.cleaned_data[field])
    if subject is None:
        _note_one(request, None, f"{merging.ERRAND}:none", REASON, now)
        form.add_error(field, _("We know nobody by this address."))
    return subject


def _note(request: HttpRequest, case: Approval | SubjectMerge, reason: str, now: datetime) -> None:
    """Write down who was looked up, each for the task that has just begun (WD-12)."""
    for subject_id, task in merging.tasks_of(case).items():
        _note_one(request, subject_id, task, reason, now)


def _note_one(
    request: HttpRequest, subject_id: UUID | None, task: str, reason: str, now: datetime
) -> None:
    note_access(
        request=request,
        permission=merging.ASK,
        subject_id=subject_id,
        task=task,
        reason=reason,
        now=now,
    )


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
