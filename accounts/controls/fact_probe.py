"""A program that delivers a fact from a source nobody named; the caller rolls it all back."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import keys
from accounts.models import Fact, User
from audit.log import SYSTEM
from datamap.models import Subject


def undeclared_source(*, now: datetime) -> str:
    """ "refused" when the site's own API took nothing and said why; else what it answered."""
    email = f"{secrets.token_hex(16)}@probe.invalid"
    person = User.objects.create_user(email, now=now, unconfirmed_since=None)
    Subject.objects.filter(pk=person.subject_id).update(email=email)
    made = keys.make_site_key(
        name=f"probe {secrets.token_hex(8)}",
        scopes=["facts:write"],
        life=keys.LIVES[0],
        actor=SYSTEM,
        now=timezone.now(),  # the API's own clock, by which the key must live
    )
    body = {"email": email, "source": f"A source nobody named {secrets.token_hex(8)}", "text": "x"}
    response = _program(made.text).post(reverse("api_facts"), body, content_type="application/json")
    if Fact.objects.filter(subject_id=person.subject_id).exists():
        return "took it"
    kind = response.json().get("type", "") if response.status_code == 403 else ""
    return "refused" if kind.endswith("source-forbidden") else f"answered {response.status_code}"


def _program(key: str) -> Client:
    """A caller with this key, from a random address of the documentation range (RFC 3849)."""
    site = urlsplit(settings.SITE_URL)
    defaults: dict[str, Any] = {
        "HTTP_HOST": site.netloc or "localhost",
        "REMOTE_ADDR": f"2001:db8:{':'.join(secrets.token_hex(2) for _ in range(6))}",
        "wsgi.url_scheme": site.scheme or "http",
        "HTTP_X_FORWARDED_PROTO": site.scheme or "http",
    }
    headers = {"authorization": f"Bearer {key}"}
    return Client(raise_request_exception=False, headers=headers, **defaults)
