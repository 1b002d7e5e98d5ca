"""Addresses that programs look for by agreement, under /.well-known/."""

from __future__ import annotations

from datetime import UTC, timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from policy import current

# RFC 9116 2.5.5 wants less than a year. Ours is true each time it is asked for.
SECURITY_TEXT_LASTS = timedelta(days=30)


@require_safe
def change_password(request: HttpRequest) -> HttpResponse:
    """Where password managers send people (W3C, A Well-Known URL for Changing Passwords)."""
    return redirect("account_change_password")


@require_safe
def security_text(request: HttpRequest) -> HttpResponse:
    """Whom to tell about a hole in this site (RFC 9116). 503 before the first policy."""
    try:
        document = current.document()
    except current.NoPolicy:
        return HttpResponse(status=503, content_type="text/plain; charset=utf-8")
    expires = (timezone.now() + SECURITY_TEXT_LASTS).astimezone(UTC)
    lines = (
        f"Contact: mailto:{document.controller.email}",
        f"Expires: {expires:%Y-%m-%dT00:00:00Z}",
        f"Preferred-Languages: {', '.join(document.site.languages)}",
        f"Canonical: {settings.SITE_URL}{reverse('security_text')}",
    )
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")
