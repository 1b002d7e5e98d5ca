"""A visitor who opens every personal page and reads the headers, as a browser would see them.

The list of pages is read off the addresses of the site, not off the code that sets the headers: a
new page under a personal path is looked at the day it is added. Runs inside a transaction that is
rolled back, with a person made for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from django.conf import settings
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from accounts.models import StaffMember, Training, Undertaking, User
from accounts.profiles import open_profile
from accounts.roles import Role
from audit.log import person
from requests import intake

# Everything below these paths is about the person who is signed in, or holds the link.
PERSONAL: Final = ("privacy/", "requests/", "contest/", "staff/", "accounts/", "people/")
MOMENT: Final = timedelta(hours=1)
REQUIRED: Final = {
    "Cache-Control": ("private", "no-store"),
    "X-Robots-Tag": ("noindex", "noarchive"),
}


@dataclass(frozen=True)
class Page:
    """One page as served: its name, and what its headers lack."""

    name: str
    missing: tuple[str, ...]


def personal_pages(*, now: datetime) -> list[Page]:
    """Every personal page that a signed-in person can open by its address alone, their own request
    by both of its addresses, and the page that others see of them.
    """
    user = User.objects.create_user(
        f"probe-{uuid4().hex}@example.invalid", None, now=now, unconfirmed_since=None
    )
    request, token = intake.open_deletion(
        subject=user.subject, actor=person(user.subject_id), now=now
    )
    profile = open_profile(subject_id=user.subject_id, now=now)
    client = _signed_in(user, now=now)
    found = [Page(route, missing(_open(client, f"/{route}"))) for route in sorted(set(routes()))]
    named = [("requests:own", request.reference), ("requests:status", token)]
    if profile is not None:
        named.append(("accounts:person", profile.handle))
    for name, argument in named:
        found.append(Page(name, missing(_open(client, reverse(name, args=[argument])))))
    return found


def _signed_in(user: User, *, now: datetime) -> Client:
    """A browser of somebody on the staff: every page opens."""
    StaffMember.objects.create(user=user, role=Role.PRIVACY_ADMIN, since=now)
    return signed_in(user, now=now)


def signed_in(user: User, *, now: datetime) -> Client:
    """A browser with a proved second factor of somebody who signed and was trained."""
    clock = timezone.now()  # which the pages ask themselves
    start, end = min(now, clock) - MOMENT, max(now, clock) + MOMENT
    Undertaking.objects.create(user=user, words="-", signed_at=start, ends_at=end)
    Training.objects.create(user=user, course="-", done_at=start, ends_at=end, recorded_at=now)
    client = Client(headers={"host": _host()}, raise_request_exception=False)
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    session = client.session
    session["account_authentication_methods"] = [{"method": "mfa", "at": now.timestamp()}]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()
    return client


def missing(response: HttpResponseBase) -> tuple[str, ...]:
    """The directives a personal page must have and this answer does not."""
    lacks = []
    for header, wanted in REQUIRED.items():
        found = {part.strip().lower() for part in response.get(header, "").split(",")}
        lacks += [directive for directive in wanted if directive not in found]
    return tuple(lacks)


def routes() -> Iterator[str]:
    """Addresses below the personal paths that need no argument."""
    for route in _walk(get_resolver().url_patterns, ""):
        if route.startswith(PERSONAL) and "<" not in route:
            yield route


def _walk(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[str]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route)
        else:
            yield route


def _open(client: Client, address: str) -> HttpResponseBase:
    return client.get(address, secure=settings.SITE_URL.startswith("https://"))


def _host() -> str:
    return settings.SITE_URL.partition("://")[2].partition("/")[0] or "localhost"
