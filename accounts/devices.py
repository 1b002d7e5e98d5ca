"""Signing one's own other browsers out, on record."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.models import User
from accounts.sessions import end_all, end_one
from audit.log import person, record

VERB = "accounts.signed-out"


def sign_out_one(*, user: User, handle: str, now: datetime) -> bool:
    """End the one of a person's log-ins that bears this handle; False when there is none."""
    with transaction.atomic():
        ended = end_one(user_id=user.pk, handle=handle)
        if ended:
            _record(user, 1, now)
    return ended


def sign_out_others(*, user: User, keep: str, now: datetime) -> int:
    """End all of a person's log-ins but one; how many. keep: the browser's key of that one."""
    with transaction.atomic():
        ended = end_all(user_id=user.pk, now=now, but=keep)
        if ended:
            _record(user, ended, now)
    return ended


def _record(user: User, browsers: int, now: datetime) -> None:
    record(
        actor=person(user.subject_id),
        verb=VERB,
        now=now,
        object=user,
        subject_id=user.subject_id,
        facts={"browsers": browsers},
    )
