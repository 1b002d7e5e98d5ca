"""People hear of what others said about them: by mail, at the latest a month after (GDPR 14(3)(a)).

The mail says how many facts there are and links to the page; never what they say, or it would
carry a stranger's words to somebody's mailbox. At most one a day: what comes in between waits for
the next, so that nobody is flooded by somebody who tells a lot.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.urls import reverse

from accounts.models import Fact, User
from consent.mail import post
from consent.models import Message

TEMPLATE: Final = "account_facts_told"
BETWEEN: Final = timedelta(days=1)
AT_ONCE: Final = 1000  # people in one go of the task


def announce_soon(*, subject_id: UUID, now: datetime) -> bool:
    """Write to the person now, unless they were written to within a day; then the task does."""
    lately = Message.objects.filter(
        subject_id=subject_id, template=TEMPLATE, posted_at__gt=now - BETWEEN
    )
    return False if lately.exists() else announce(subject_id=subject_id, now=now)


def announce(*, subject_id: UUID, now: datetime) -> bool:
    """Write to the person about everything not announced yet; False when there is nothing, or
    nobody to write to.
    """
    with transaction.atomic():
        untold = Fact.objects.filter(subject_id=subject_id, announced_at__isnull=True)
        ids = list(untold.select_for_update(no_key=True).values_list("pk", flat=True))
        user = User.objects.filter(subject_id=subject_id).first()
        if not ids or user is None:
            return False
        message = post(
            category="account",
            template=TEMPLATE,
            context={
                "facts": len(ids),
                "facts_url": settings.SITE_URL + reverse("accounts:facts"),
            },
            address=user.email,
            subject_id=subject_id,
            now=now,
        )
        untold.filter(pk__in=ids).update(announced_at=now, announcement=message.pk)
    return True


def announce_all(*, now: datetime) -> int:
    """Write to people who were not told of something yet, and not written to within a day; how
    many. Each in a transaction of its own.
    """
    lately = Message.objects.filter(
        subject_id=OuterRef("subject_id"), template=TEMPLATE, posted_at__gt=now - BETWEEN
    )
    untold = Fact.objects.filter(~Exists(lately), announced_at__isnull=True)
    there = untold.filter(subject__erased_at__isnull=True, subject__user__isnull=False)
    people = list(there.order_by().values_list("subject_id", flat=True).distinct()[:AT_ONCE])
    return sum(announce(subject_id=subject_id, now=now) for subject_id in people)
