"""The page of one's devices."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.devices import sign_out_one, sign_out_others
from accounts.guards import own_account
from accounts.keys import live_keys
from accounts.sessions import digest
from audit.access import personal


@login_required
@personal
@require_GET
def devices(request: HttpRequest) -> HttpResponse:
    """Where one is logged in, and how many programs have a key."""
    now, user = timezone.now(), own_account(request)
    sessions = user.sessions.filter(expire_date__gt=now)
    this = digest(request.session.session_key or "")
    context = {
        "sessions": sessions.order_by("-created_at"),
        "this": this,
        "keys": live_keys(user=user, now=now).count(),
    }
    return render(request, "accounts/devices.html", context)


@login_required
@require_POST
def end_device(request: HttpRequest, handle: str) -> HttpResponse:
    """Log one's own other browser out."""
    if not sign_out_one(user=own_account(request), handle=handle, now=timezone.now()):
        raise Http404
    messages.success(request, _("That browser is signed out."))
    return redirect("accounts:devices")


@login_required
@require_POST
def end_devices(request: HttpRequest) -> HttpResponse:
    """Log all of one's other browsers out."""
    keep = request.session.session_key or ""
    sign_out_others(user=own_account(request), keep=keep, now=timezone.now())
    messages.success(request, _("All your other browsers are signed out."))
    return redirect("accounts:devices")
