"""The page behind the link that a locked person gets."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from accounts import guardians
from accounts.forms.guardians import ParentAddressForm
from accounts.guards import limited
from accounts.models import Guardianship
from audit.access import personal
from policy import current
from retention import children
from retention.forms import StatementForm
from retention.models import ChildCase

REFUSALS: dict[type[Exception], Any] = {
    guardians.OwnAddress: gettext_lazy("This is your own address. Give your parent's."),
    guardians.AlreadyAnswered: gettext_lazy("A parent has answered already. We ask nobody else."),
    guardians.TooManyAsked: gettext_lazy("We can't ask at this address. Write to us instead."),
}


@personal
@require_http_methods(["GET", "POST"])
def contest(request: HttpRequest, token: str) -> HttpResponse:
    """What happens to the account and when, and the way to say that it is a mistake.

    The link is the key: no log-in is possible, and the page shows nothing about the person.
    """
    now = timezone.now()
    case = children.find(token=token)
    if case is None:
        return render(request, "retention/contest_gone.html", status=404)
    form = StatementForm(request.POST or None)
    may = case.state == ChildCase.State.CONTEST and now < case.contest_until
    if may and form.is_valid():
        with suppress(children.NotOpen):  # the page then says where the case is
            children.contest(case_id=case.pk, statement=form.cleaned_data["statement"], now=now)
        return redirect("retention:contest", token=token)
    return _page(request, case, token, now=now, form=form)


@limited("guardian")
@personal
@require_POST
def ask_parent(request: HttpRequest, token: str) -> HttpResponse:
    """The locked person names a parent, who is then asked."""
    now = timezone.now()
    case = children.find(token=token)
    if case is None:
        return render(request, "retention/contest_gone.html", status=404)
    form = ParentAddressForm(request.POST)
    if not form.is_valid():
        return _page(request, case, token, now=now, parent_form=form, status=400)
    try:
        children.ask_parent(case_id=case.pk, address=form.cleaned_data["email"], now=now)
    except (children.NotOpen, guardians.NoParentalPath, guardians.Over):
        return redirect("retention:contest", token=token)  # the page then says where the case is
    except (guardians.OwnAddress, guardians.AlreadyAnswered, guardians.TooManyAsked) as error:
        form.add_error("email", REFUSALS[type(error)])
        return _page(request, case, token, now=now, parent_form=form, status=400)
    messages.success(request, _("We have written to this address."))
    return redirect("retention:contest", token=token)


def _page(
    request: HttpRequest,
    case: ChildCase,
    token: str,
    *,
    now: datetime,
    form: StatementForm | None = None,
    parent_form: ParentAddressForm | None = None,
    status: int = 200,
) -> HttpResponse:
    document = current.document(now)
    asked = Guardianship.objects.filter(subject_id=case.subject_id).first()
    may_ask = guardians.allowed(document) and (
        asked is None or asked.state == Guardianship.State.ASKED
    )
    context = {
        "case": case,
        "form": form or StatementForm(),
        "parent_form": (parent_form or ParentAddressForm()) if may_ask else None,
        "asked": asked is not None,
        "may": case.state == ChildCase.State.CONTEST and now < case.contest_until,
        "token": token,
        "zone": document.zone,
    }
    return render(request, "retention/contest.html", context, status=status)
