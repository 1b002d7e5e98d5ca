"""Acting like a browser, inside a transaction that the caller rolls back.

Each probe comes from a random address of the documentation range (RFC 3849) and with an address
of a domain that can't exist (RFC 2606), so that it uses up nobody's rate limit.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable, Iterator
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

# 128 bits in the letters and digits that Django's keys are made of.
RANDOM_CHARACTERS = 25
DIGESTS = ("md5", "sha1", "sha256", "sha512")
GROWN_UP = datetime(1980, 1, 1, tzinfo=UTC)


def cookie_of_a_log_in(*, now: datetime) -> Morsel[str] | None:
    """The session cookie of a real log-in; none when the log-in did not work."""
    email, password = f"{secrets.token_hex(16)}@probe.invalid", secrets.token_urlsafe(24)
    user = User.objects.create_user(email, password, now=now, unconfirmed_since=None)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=True)
    client = browser()
    client.post(reverse("account_login"), {"login": email, "password": password})
    cookie: Morsel[str] | None = client.cookies.get(settings.SESSION_COOKIE_NAME)
    is_in = user.sessions.exists()
    return cookie if is_in else None


def signed_in(*, now: datetime) -> tuple[Client, User]:
    """The browser of somebody who has just joined, signed in and given the password again."""
    email, password = f"{secrets.token_hex(16)}@probe.invalid", secrets.token_urlsafe(24)
    names = {"first_name": "Probe", "last_name": "Probe"}
    user = User.objects.create_user(email, password, now=now, unconfirmed_since=None, **names)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=True)
    client = browser()
    client.post(reverse("account_login"), {"login": email, "password": password})
    client.post(reverse("account_reauthenticate"), {"password": password})
    return client, user


def log_in_page() -> tuple[str, str]:
    """The page on which people sign in, as served to a visitor, and the host they see it at."""
    page = browser().get(reverse("account_login"))
    host = urlsplit(settings.SITE_URL).netloc or "localhost"
    return page.content.decode() if page.status_code == 200 else "", host


def cookie_of_staying(*, now: datetime) -> list[str]:
    """What is wrong with the cookie of somebody who asked to stay signed in.

    Two log-ins with the box ticked: each cookie has a date, is a fresh random value that holds
    neither password nor address nor a common digest of them, and opens nothing once signed out.
    """
    email, password = f"{secrets.token_hex(16)}@probe.invalid", secrets.token_urlsafe(24)
    user = User.objects.create_user(email, password, now=now, unconfirmed_since=None)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=True)
    wrong, values = [], set()
    for _attempt in range(2):
        client = browser()
        form = {"login": email, "password": password, "stay": "on"}
        client.post(reverse("account_login"), form)
        cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
        if cookie is None or not user.sessions.filter(persistent=True).exists():
            return ["staying signed in does not work"]
        values.add(cookie.value)
        sent = " ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
        secret = (password, email, str(user.pk), str(user.subject_id), user.password)
        wrong += ["no date"] if not cookie["max-age"] else []
        wrong += ["holds a secret"] if any(form in sent for form in _forms_of(secret)) else []
        wrong += ["can be guessed"] if len(cookie.value) < RANDOM_CHARACTERS else []
        client.post(reverse("account_logout"))
        wrong += ["stays after signing out"] if user.sessions.exists() else []
    wrong += ["not random"] if len(values) < 2 else []
    return sorted(set(wrong))


def second_try_after_refusal(*, now: datetime) -> str:
    """What a browser gets that was told "too young" and then enters a grown-up's date.

    "refused" is right. Where the policy has no age screen there is nothing to try.
    """
    document = current.document(now)
    if document.age.youngest is None:
        return "refused"
    client, address = browser(), reverse("accounts:age")
    child = now - timedelta(days=366 * (document.age.youngest - 1))
    first = client.post(address, _birth_date(child))
    if first.status_code != 403 or BLOCK_COOKIE not in client.cookies:
        return "a child was not refused"
    for page in (address, reverse("accounts:signup")):
        for response in (client.get(page), client.post(page, _birth_date(GROWN_UP))):
            if response.status_code != 403:
                return f"{page} answered {response.status_code}"
    return "refused"


def _forms_of(secrets_of: Iterable[str]) -> Iterator[str]:
    """Texts as they are, and as usual encodings and digests show them."""
    for text in secrets_of:
        raw = text.encode()
        yield text
        for data in (raw, *(hashlib.new(name, raw).digest() for name in DIGESTS)):
            yield data.hex()
            yield base64.b64encode(data).decode().rstrip("=")
            yield base64.urlsafe_b64encode(data).decode().rstrip("=")


def browser() -> Client:
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
