"""Recurring jobs as rows: whoever wins the conditional update runs the job, the others don't."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.db.models import Q

from retention.models import Tick


def claim(*, name: str, now: datetime, lease: timedelta) -> uuid.UUID | None:
    """The right to run the job, if it is due and nobody runs it; first use makes it due at once."""
    Tick.objects.bulk_create([Tick(name=name, due_at=now)], ignore_conflicts=True)
    token = uuid.uuid4()
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    won = Tick.objects.filter(free, name=name, due_at__lte=now).update(
        claim=token, lease_until=now + lease
    )
    return token if won else None


def finish(*, name: str, token: uuid.UUID, now: datetime, next_due: datetime) -> bool:
    """Give the right back and say when the job is due again; False if the lease was lost."""
    return bool(
        Tick.objects.filter(name=name, claim=token).update(
            claim=None, lease_until=None, done_at=now, due_at=next_due
        )
    )


def take(*, name: str, now: datetime, interval: timedelta) -> bool:
    """Whether the job is due, and if so, due again only in an interval: for jobs that from then on
    are rows of their own. In the caller's transaction; of several callers one gets it.
    """
    Tick.objects.bulk_create([Tick(name=name, due_at=now)], ignore_conflicts=True)
    due = Tick.objects.filter(name=name, due_at__lte=now)
    return bool(due.update(due_at=now + interval, done_at=now))


def hurry(*, name: str, now: datetime) -> None:
    """Make the job due at once."""
    Tick.objects.filter(name=name, due_at__gt=now).update(due_at=now)


def give_back(*, name: str, token: uuid.UUID) -> bool:
    """Leave the job due, for whoever comes next."""
    return bool(Tick.objects.filter(name=name, claim=token).update(claim=None, lease_until=None))
