"""Keys to the API, and calls with them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from accounts import keys
from accounts.models import User
from audit.access import scopes
from audit.log import person

ALL = ("choices:read", "choices:write", "requests:read", "requests:write")


def made(user: User, *wanted: str, now: datetime | None = None, name: str = "Shell") -> keys.Made:
    """A key of the person's; for everything when nothing is named."""
    return keys.make(
        user=user,
        name=name,
        scopes=wanted or tuple(scopes()),
        life=timedelta(days=90),
        actor=person(user.subject_id),
        now=now or timezone.now(),
    )


def caller(user: User, *wanted: str) -> Client:
    """A program that holds a key."""
    return with_key(made(user, *wanted).text)


def with_key(text: str) -> Client:
    """A program that sends this as its key, and sees what a caller would see of a failure."""
    headers = {"authorization": f"Bearer {text}"}
    return Client(headers=headers, raise_request_exception=False, enforce_csrf_checks=True)


def put(client: Client, address: str, body: Any) -> Any:
    """PUT as JSON."""
    return client.put(address, body, content_type="application/json")
