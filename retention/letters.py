"""What a locked person is written, and the secret link in it."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime

from accounts.models import User
from consent import mail
from datamap.models import Subject
from policy import current
from policy.context import SiteFace
from retention.models import ChildCase

log = structlog.get_logger(__name__)


def tell_locked(case: ChildCase, *, now: datetime) -> None:
    """Say why, what happens next and when, and how to object; with a fresh link.

    A mail that can't be written must not undo the lock: `told_at` stays empty and the tick tries
    again.
    """
    token = secrets.token_urlsafe(32)
    zone = current.document(now).zone
    context = {
        "link": settings.SITE_URL + reverse("retention:contest", args=[token]),
        "until": date_format(localtime(case.contest_until, zone), "j F Y, H:i"),
        "place": SiteFace(zone=zone).place,
    }
    try:
        with transaction.atomic():
            if post(case, category="account", template="child_locked", context=context, now=now):
                ChildCase.objects.filter(pk=case.pk).update(token_hash=hashed(token), told_at=now)
    except Exception as error:  # noqa: BLE001  whatever the mail's trouble is, the lock stands
        log.error("child not told", case=str(case.pk), error=type(error).__name__)


def post(
    case: ChildCase,
    *,
    category: str,
    template: str,
    context: dict[str, Any],
    now: datetime,
    last: bool = False,
) -> bool:
    """Mail the person of a case; False when no address is known. last: nothing comes after it."""
    user = User.objects.filter(subject_id=case.subject_id).only("email").first()
    subject = Subject.objects.only("email").get(pk=case.subject_id)
    address = user.email if user else subject.email
    if not address:
        return False
    mail.post(
        category=category,
        template=template,
        context=context,
        address=address,
        subject_id=case.subject_id,
        now=now,
        last=last,
    )
    return True


def hashed(token: str) -> str:
    """What a link's token is stored as: SHA-256 in hex; the token has 256 bits."""
    return hashlib.sha256(token.encode()).hexdigest()
