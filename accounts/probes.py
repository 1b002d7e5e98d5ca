"""Acting like a browser, inside a transaction that the caller rolls back.

Each probe comes from a random address of the documentation range (RFC 3849) and with an address
of a domain that can't exist (RFC 2606), so that it uses up nobody's rate limit.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from http.cookies import Morsel
from typing import Any
from urllib.parse import urlsplit

from allauth.account.models import EmailAddress
from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.screen import BLOCK_COOKIE
from policy import current

GROWN_UP = datetime(1980, 1, 1, tzinfo=UTC)


def cookie_of_a_log_in(*, now: datetime) -> Morsel[str] | None:
    """The session cookie of a real log-in; none when the log-in did not work."""
    email, password = f"{secrets.token_hex(16)}@probe.invalid", secrets.token_urlsafe(24)
    user = User.objects.create_user(email, password, now=now, unconfirmed_since=None)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=True)
    client = _browser()
    client.post(reverse("account_login"), {"login": email, "password": password})
    cookie: Morsel[str] | None = client.cookies.get(settings.SESSION_COOKIE_NAME)
    is_in = user.sessions.exists()
    return cookie if is_in else None


def second_try_after_refusal(*, now: datetime) -> str:
    """What a browser gets that was told "too young" and then enters a grown-up's date.

    "refused" is right. Where the policy has no age screen there is nothing to try.
    """
    document = current.document(now)
    if document.age.youngest is None:
        return "refused"
    client, address = _browser(), reverse("accounts:age")
    child = now - timedelta(days=366 * (document.age.youngest - 1))
    first = client.post(address, _birth_date(child))
    if first.status_code != 403 or BLOCK_COOKIE not in client.cookies:
        return "a child was not refused"
    for page in (address, reverse("accounts:signup")):
        for response in (client.get(page), client.post(page, _birth_date(GROWN_UP))):
            if response.status_code != 403:
                return f"{page} answered {response.status_code}"
    return "refused"


def _browser() -> Client:
    """A visitor's browser that comes to this site's own address."""
    site = urlsplit(settings.SITE_URL)
    address = f"2001:db8:{':'.join(secrets.token_hex(2) for _ in range(6))}"
    defaults: dict[str, Any] = {
        "HTTP_HOST": site.netloc or "localhost",
        "REMOTE_ADDR": address,
        "wsgi.url_scheme": site.scheme or "http",
        "HTTP_X_FORWARDED_PROTO": site.scheme or "http",
    }
    return Client(raise_request_exception=False, **defaults)


def _birth_date(day: datetime) -> dict[str, str]:
    return {"day": str(day.day), "month": str(day.month), "year": str(day.year)}
