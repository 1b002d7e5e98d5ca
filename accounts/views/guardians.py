"""A parent's page: opened by a mailed link and a code, for half an hour, without a log-in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts import guardian_access, guardians
from accounts.forms.guardians import CodeForm, ConsentForm, DisclosureForm
from accounts.guards import limited
from accounts.kinds_held import kinds
from accounts.models import Guardianship
from audit.access import personal
from consent.ledger import Shown
from policy import current

OPENED = "guardian"
OPEN_FOR = timedelta(minutes=30)
SURFACE = "guardian"
Page = Callable[[HttpRequest, Guardianship, str], HttpResponse]


def behind_link(view: Page) -> Callable[[HttpRequest, str], HttpResponseBase]:
    """Find the row of the link; a link that is over leads to a page that says so."""

    @wraps(view)
    def found(request: HttpRequest, token: str) -> HttpResponseBase:
        row = guardian_access.find(token=token, now=timezone.now())
        if row is None:
            return render(request, "accounts/guardian_gone.html", status=404)
        return view(request, row, token)

    return found


def behind_code(view: Page) -> Callable[[HttpRequest, str], HttpResponseBase]:
    """Only where the code was given in this browser; else the page asks for it."""

    @wraps(view)
    def opened(request: HttpRequest, row: Guardianship, token: str) -> HttpResponse:
        if not _is_open(request, row, now=timezone.now()):
            return redirect("accounts:guardian", token=token)
        try:
            return view(request, row, token)
        except (guardians.Over, guardians.NoParentalPath):
            return render(request, "accounts/guardian_gone.html", status=404)

    return behind_link(opened)


@personal
@require_GET
@behind_link
def guardian(request: HttpRequest, row: Guardianship, token: str) -> HttpResponse:
    """What we hold about the child and what the parent can do; or the question for the code."""
    now = timezone.now()
    if not _is_open(request, row, now=now):
        return _ask_for_code(request, row, token, CodeForm())
    return _page(request, row, token, now=now)


@limited("guardian")
@personal
@require_POST
@behind_link
def send_code(request: HttpRequest, row: Guardianship, token: str) -> HttpResponse:
    """Mail a code to the address that the link was mailed to."""
    if guardian_access.send_code(guardianship_id=row.pk, now=timezone.now()):
        messages.info(request, _("We sent a code to the address that got the link."))
    else:
        messages.info(request, _("We sent one less than a minute ago. Look for it, or wait a bit."))
    return redirect("accounts:guardian", token=token)


@limited("guardian")
@personal
@require_POST
@behind_link
def give_code(request: HttpRequest, row: Guardianship, token: str) -> HttpResponse:
    """Open the page in this browser, for the right code."""
    now, form = timezone.now(), CodeForm(request.POST)
    right = form.is_valid() and guardian_access.check_code(
        guardianship_id=row.pk, code=form.cleaned_data["code"], now=now
    )
    if not right:
        if form.is_valid():
            form.add_error("code", _("This code is wrong, used or too old. Send yourself another."))
        return _ask_for_code(request, row, token, form, status=400)
    request.session.cycle_key()
    request.session[OPENED] = [row.handle, (now + OPEN_FOR).isoformat()]
    return redirect("accounts:guardian", token=token)


@limited("guardian")
@personal
@require_POST
@behind_code
def agree(request: HttpRequest, row: Guardianship, token: str) -> HttpResponse:
    """The parent's yes."""
    now, form = timezone.now(), ConsentForm(request.POST)
    if not form.is_valid():
        return _page(request, row, token, now=now, form=form, status=400)
    guardians.agree(
        guardianship_id=row.pk,
        method=form.cleaned_data["method"],
        contact=form.cleaned_data["contact"],
        disclosure=form.cleaned_data["disclosure"] == "yes",
        shown=_shown(form.words),
        now=now,
    )
    return redirect("accounts:guardian", token=token)


@limited("guardian")
@personal
@require_POST
@behind_code
def refuse(request: HttpRequest, row: Guardianship, token: str) -> HttpResponse:
    """The parent's no, before anything was verified."""
    guardians.refuse(guardianship_id=row.pk, now=timezone.now())
    return _done(request)


@limited("guardian")
@personal
@require_POST
@behind_code
def change_disclosure(request: HttpRequest, row: Guardianship, token: str) -> HttpResponse:
    """The second consent, given or taken back by itself."""
    form = DisclosureForm(request.POST)
    if not form.is_valid():
        now = timezone.now()
        return _page(request, row, token, now=now, disclosure_form=form, status=400)
    guardians.change_disclosure(
        guardianship_id=row.pk,
        may=form.cleaned_data["disclosure"] == "yes",
        shown=_shown(form.words),
        now=timezone.now(),
    )
    messages.success(request, _("Changed. It counts from now on."))
    return redirect("accounts:guardian", token=token)


@limited("guardian")
@personal
@require_POST
@behind_code
def withdraw(request: HttpRequest, row: Guardianship, token: str) -> HttpResponse:
    """The parent takes the consent back, or has everything deleted at once."""
    erase = "erase" in request.POST
    guardians.withdraw(guardianship_id=row.pk, erase=erase, now=timezone.now())
    return _done(request)


@personal
@require_GET
def done(request: HttpRequest) -> HttpResponse:
    """What happens after a no. The same words for everybody: nothing is left to show."""
    return render(request, "accounts/guardian_done.html")


def _is_open(request: HttpRequest, row: Guardianship, *, now: datetime) -> bool:
    handle, until = request.session.get(OPENED) or ("", "")
    end = parse_datetime(until)
    return handle == row.handle and end is not None and now < end


def _done(request: HttpRequest) -> HttpResponse:
    request.session.pop(OPENED, None)
    return redirect("accounts:guardian_done")


def _shown(words: str) -> Shown:
    return Shown(words, surface=SURFACE, locale=get_language() or "en")


def _ask_for_code(
    request: HttpRequest, row: Guardianship, token: str, form: CodeForm, status: int = 200
) -> HttpResponse:
    sent = row.code_sent_at is not None and bool(row.code_hash)
    context = {"form": form, "token": token, "sent": sent}
    return render(request, "accounts/guardian_code.html", context, status=status)


def _page(
    request: HttpRequest,
    row: Guardianship,
    token: str,
    *,
    now: datetime,
    form: ConsentForm | None = None,
    disclosure_form: DisclosureForm | None = None,
    status: int = 200,
) -> HttpResponse:
    document = current.document(now)
    chosen = {"disclosure": "yes" if row.disclosure else "no"}
    context = {
        "row": row,
        "token": token,
        "kinds": kinds(subject_id=row.subject_id),
        "form": form or ConsentForm(),
        "disclosure_form": disclosure_form or DisclosureForm(initial=chosen),
        "zone": document.zone,
    }
    return render(request, "accounts/guardian.html", context, status=status)
