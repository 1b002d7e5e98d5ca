"""What we are told: by allauth that a password changed, so every other log-in and every API key
ends; by the ledger that staff changed somebody's choice, so the person is told.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from allauth.account import signals
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from accounts import invitations
from accounts.facts import drop_waiting
from accounts.keys import revoke_all
from accounts.models import User
from accounts.password_reset import address_proved_by_reset
from accounts.profiles import open_profile
from accounts.sessions import end_all
from accounts.signals import address_confirmed
from accounts.telling import tell_changed_by_staff
from audit.log import Actor, person
from audit.models import AuditEntry
from consent.invited import ask_before_sending
from consent.models import CHOSEN, YES, Kind
from consent.options import CONTRIBUTED
from consent.signals import changed


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


@receiver(changed, dispatch_uid="accounts.choices_by_staff")
def after_choice(*, subject_id: UUID, kind: str, at: datetime, actor: Actor, **kwargs: Any) -> None:
    """What staff decide in somebody's name (they may only refuse) the person learns by mail."""
    if actor.kind == AuditEntry.ActorKind.STAFF and kind in CHOSEN:
        tell_changed_by_staff(subject_id=subject_id, what="choices", actor=actor, now=at)


@receiver(address_confirmed, dispatch_uid="accounts.profile_opened")
def after_confirmation(*, subject_id: UUID, now: datetime, **kwargs: Any) -> None:
    """Somebody whose address is proved has a page, with what members see by default (WC-17)."""
    open_profile(subject_id=subject_id, now=now)


@receiver(address_confirmed, dispatch_uid="accounts.invitations")
def after_confirming(*, subject_id: UUID, now: datetime, **kwargs: Any) -> None:
    """Invitations to a confirmed address are its owner's; one accepted at sign-up counts now."""
    invitations.joined(subject_id=subject_id, now=now)


ask_before_sending(invitations.may_leave)


@receiver(changed, dispatch_uid="accounts.facts_choice")
def after_facts_choice(
    *, subject_id: UUID, kind: str, key: str, decision: str, at: datetime, **kwargs: Any
) -> None:
    """Whoever no longer lets others add to their profile has nothing left to decide (WC-20)."""
    if (kind, key) == (Kind.PURPOSE, CONTRIBUTED) and decision not in YES:
        drop_waiting(subject_id=subject_id, now=at)
