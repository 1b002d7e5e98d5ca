"""Which accounts were opened under which version of the policy."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import (
    Q,
    QuerySet,
)

from accounts.models import User
from policy.eras import Era, eras


def before_any_policy(now: datetime) -> QuerySet[User, UUID]:
    """Accounts opened when no version was in force: nothing can show that they were allowed."""
    users = User.objects.all()
    if known := eras(now):
        users = users.filter(date_joined__lt=known[0].since)
    return users.values_list("pk", flat=True)


def opened_in(era: Era) -> Q:
    span = Q(date_joined__gte=era.since)
    return span & Q(date_joined__lt=era.until) if era.until else span
