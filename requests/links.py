"""Links in mails: to a status page, by random tokens kept as digests, and to the download page."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.urls import reverse

from requests.models import Request, StatusLink

TOKEN_BYTES: Final = 32
LIFE: Final = timedelta(days=180)
LONGEST_TOKEN: Final = 64


def mint(*, request: Request, now: datetime) -> str:
    """A new token for this request; works for 180 days, an extended answer's time and more."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    StatusLink.objects.create(
        request=request, token_hash=digest(token), created_at=now, expires_at=now + LIFE
    )
    return token


def find(*, token: str, now: datetime) -> Request | None:
    """The request a token leads to; none for a wrong, a mangled and an expired one alike."""
    link = (
        StatusLink.objects.select_related("request__erasure", "request__subject")
        .filter(token_hash=digest(token[: LONGEST_TOKEN + 1]), expires_at__gt=now)
        .first()
    )
    return link.request if link is not None else None


def address(token: str) -> str:
    """The whole address of the status page, for a mail."""
    return settings.SITE_URL + reverse("requests:status", args=[token])


def package_address(request: Request) -> str:
    """The whole address of the download page. It holds no secret: it opens to the owner only."""
    return settings.SITE_URL + reverse("requests:package", args=[request.reference])


def digest(token: str) -> str:
    """What is stored of a token. It has 256 random bits, so a plain hash can't be searched."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
