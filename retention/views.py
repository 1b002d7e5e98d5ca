"""The page behind the link that a locked person gets."""

from __future__ import annotations

from contextlib import suppress

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from audit.access import personal
from policy import current
from retention import children
from retention.forms import StatementForm
from retention.models import ChildCase


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
    context = {"case": case, "form": form, "may": may, "zone": current.document(now).zone}
    return render(request, "retention/contest.html", context)
