"""Making people staff, and their second factor."""

from __future__ import annotations

from datetime import datetime

from allauth.mfa.totp.internal.auth import TOTP
from django.db import transaction

from accounts.models import StaffMember, User
from accounts.roles import Role
from accounts.sessions import end_all
from audit.log import Actor, record


class NotConfirmed(ValueError):
    """Nobody becomes staff whose address is not confirmed."""


def appoint(*, user: User, role: Role, actor: Actor, now: datetime) -> StaffMember:
    """Give a user a role on the staff console, instead of any they had.

    Their sessions end, so that the next log-in proves the second factor. Raises `NotConfirmed`.
    """
    if user.unconfirmed_since is not None:
        raise NotConfirmed
    with transaction.atomic():
        member, _created = StaffMember.objects.update_or_create(
            user=user, defaults={"role": role}, create_defaults={"role": role, "since": now}
        )
        end_all(user_id=user.pk, now=now)
        record(
            actor=actor,
            verb="accounts.appointed",
            now=now,
            object=member,
            subject_id=user.subject_id,
            facts={"role": str(role)},
        )
    return member


def set_authenticator_secret(*, user: User, secret: str) -> None:
    """Enrol an authenticator app by its secret (base 32), where nobody can scan a picture."""
    TOTP.activate(user, secret)
