"""The page of one's devices."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.guards import own_account
from accounts.sessions import digest, end_all, end_one
from audit.access import personal


@login_required
@personal
@require_GET
def devices(request: HttpRequest) -> HttpResponse:
    """Where one is logged in."""
    sessions = own_account(request).sessions.filter(expire_date__gt=timezone.now())
    this = digest(request.session.session_key or "")
    context = {"sessions": sessions.order_by("-created_at"), "this": this}
    return render(request, "accounts/devices.html", context)


@login_required
@require_POST
def end_device(request: HttpRequest, handle: str) -> HttpResponse:
    """Log one's own other browser out."""
    if not end_one(user_id=own_account(request).pk, handle=handle):
        raise Http404
    messages.success(request, _("That browser is signed out."))
    return redirect("accounts:devices")


@login_required
@require_POST
def end_devices(request: HttpRequest) -> HttpResponse:
    """Log all of one's other browsers out."""
    end_all(
        user_id=own_account(request).pk,
        now=timezone.now(),
        but=request.session.session_key or "",
    )
    messages.success(request, _("All your other browsers are signed out."))
    return redirect("accounts:devices")
