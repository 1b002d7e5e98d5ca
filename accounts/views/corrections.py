"""The page on which people confirm, change and remove what is held about them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.correctable import Entry, NotYours, entries, entry, may_remove, open_holdings
from accounts.corrections import NotRemovable, confirm, correct, remove
from accounts.forms.corrections import CorrectionForm
from accounts.guards import limited, own_account, password_again
from accounts.models import User
from audit.access import personal
from audit.log import person
from consent.ledger import SubjectClosed
from policy import current


@login_required
@personal
@require_safe
def corrections(request: HttpRequest) -> HttpResponse:
    """Everything that its owner can confirm or change, as it is held now (GDPR 16, WA-15)."""
    return _page(request, own_account(request))


@login_required
@personal
@require_POST
@limited("correct")
def correct_entry(request: HttpRequest, holding: str, row: str) -> HttpResponseBase:
    """Change one row of one's own, or say that it is still right."""
    user = own_account(request)
    try:
        if "right" in request.POST:
            return _confirmed(request, user, holding, row)
        return _corrected(request, user, holding, row)
    except NotYours:
        raise Http404 from None
    except SubjectClosed:
        messages.error(request, _("Your data is only stored for now, so nothing was changed."))
        return redirect("accounts:corrections")


@login_required
@password_again
@personal
@require_http_methods(["GET", "HEAD", "POST"])
@limited("correct")
def remove_entry(request: HttpRequest, holding: str, row: str = "") -> HttpResponseBase:
    """Remove one row, or all of its kind, after saying what goes."""
    user, now = own_account(request), timezone.now()
    document = current.document(now)
    kind = next((h for h in open_holdings() if h.key == holding), None)
    if kind is None or not may_remove(kind, document):
        raise Http404
    try:
        found = entry(subject_id=user.subject_id, key=holding, ref=row, document=document)
    except NotYours:
        if row:
            raise Http404 from None
        found = None
    if request.method == "POST":
        return _removed(request, user, holding, row)
    context = {"kind": kind, "entry": found, "nav_current": "privacy"}
    return render(request, "accounts/corrections_remove.html", context)


def _corrected(request: HttpRequest, user: User, holding: str, row: str) -> HttpResponseBase:
    now = timezone.now()
    document = current.document(now)
    found = entry(subject_id=user.subject_id, key=holding, ref=row, document=document)
    form = CorrectionForm(request.POST, entry=found)
    if not (form.is_valid() and _save(form, user)):
        return _page(request, user, refused=form)
    told = _("Changed. It counts from now on.") if form.has_changed() else _("Nothing was changed.")
    messages.success(request, told)
    return _back(holding)


def _save(form: CorrectionForm, user: User) -> bool:
    """Write what the form holds; False, with the reasons in the form, where it may not be."""
    try:
        correct(
            subject_id=user.subject_id,
            key=form.entry.holding.key,
            ref=form.entry.ref,
            values=form.cleaned_data,
            actor=person(user.subject_id),
            now=timezone.now(),
            locale=get_language() or "en",
        )
    except ValidationError as error:
        form.add_error(None, error)
        return False
    return True


def _confirmed(request: HttpRequest, user: User, holding: str, row: str) -> HttpResponseBase:
    confirm(
        subject_id=user.subject_id,
        key=holding,
        ref=row,
        actor=person(user.subject_id),
        now=timezone.now(),
    )
    messages.success(request, _("Thank you. We noted that it is still right."))
    return _back(holding)


def _removed(request: HttpRequest, user: User, holding: str, row: str) -> HttpResponseBase:
    try:
        remove(
            subject_id=user.subject_id,
            key=holding,
            ref=row,
            actor=person(user.subject_id),
            now=timezone.now(),
        )
    except (NotYours, NotRemovable, SubjectClosed):
        raise Http404 from None
    messages.success(request, _("Removed."))
    return redirect("accounts:corrections")


def _back(holding: str) -> HttpResponse:
    """To the place on the page where one was."""
    return redirect(f"{reverse('accounts:corrections')}#{anchor(holding)}")


def anchor(key: str) -> str:
    """A holding's place on the page."""
    return key.replace(".", "-").replace("_", "-")


def _page(request: HttpRequest, user: User, refused: CorrectionForm | None = None) -> HttpResponse:
    document = current.document(timezone.now())
    groups: dict[str, dict[str, Any]] = {}
    for found in entries(subject_id=user.subject_id, document=document):
        is_it = refused is not None and _is_same(refused.entry, found)
        form = refused if is_it and refused else CorrectionForm(entry=found)
        kind = found.holding
        group = groups.setdefault(
            kind.key, {"kind": kind, "anchor": anchor(kind.key), "lines": [], "removable": False}
        )
        group["lines"].append({"entry": found, "form": form})
        group["removable"] |= found.removable
    context = {"groups": list(groups.values()), "refused": refused, "nav_current": "privacy"}
    return render(request, "accounts/corrections.html", context)


def _is_same(one: Entry, other: Entry) -> bool:
    return (one.holding.key, one.ref) == (other.holding.key, other.ref)
