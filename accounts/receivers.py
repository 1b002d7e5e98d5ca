"""What allauth tells us: a password changed, so every other log-in and every API key ends."""

from __future__ import annotations

from typing import Any

from allauth.account import signals
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from accounts.keys import revoke_all
from accounts.models import User
from accounts.password_reset import address_proved_by_reset
from accounts.sessions import end_all
from audit.log import person


@receiver(signals.password_reset, dispatch_uid="accounts.password_reset")
def after_reset(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """All log-ins end, and the address is proved by the link that was used."""
    now = timezone.now()
    end_all(user_id=user.pk, now=now, but=request.session.session_key or "")
    revoke_all(user=user, actor=person(user.subject_id), now=now)
    address_proved_by_reset(user=user, now=now)


@receiver(signals.password_changed, dispatch_uid="accounts.password_changed")
def after_change(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Log-ins elsewhere end."""
    now = timezone.now()
    end_all(user_id=user.pk, now=now, but=request.session.session_key or "")
    revoke_all(user=user, actor=person(user.subject_id), now=now)
