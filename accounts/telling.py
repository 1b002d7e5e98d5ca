"""Telling people by mail what staff changed about them, and in which role (not by name)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils import translation

from accounts.models import StaffMember, User
from accounts.roles import Role
from audit.log import Actor
from audit.models import AuditEntry
from consent.mail import post
from consent.models import Message
from policy import current

What = Literal["address", "choices", "data", "password"]
# What is changed in one sitting is told once.
SITTING: Final = timedelta(minutes=10)
PAGES: Final[dict[What, str]] = {
    "address": "account_email",
    "choices": "consent:choices",
    "data": "accounts:corrections",
    "password": "account_reset_password",
}


def tell_changed_by_staff(
    *, subject_id: UUID, what: What, actor: Actor, now: datetime, address: str = ""
) -> Message | None:
    """Tell a person that staff, or whoever runs the machines, changed something of theirs.

    address: where to, by default the account's own; for a changed address the old one. None when
    there is no account, or the same was told a moment ago. In the caller's transaction.
    """
    user = User.objects.filter(subject_id=subject_id).first()
    template = f"account_{what}_by_staff"
    told = Message.objects.filter(
        subject_id=subject_id, template=template, posted_at__gt=now - SITTING
    )
    if user is None or (what in ("choices", "data") and told.exists()):
        return None
    language = current.fresh(now).document.site.languages[0]
    return post(
        category="account",
        template=template,
        context={
            "role": _role(actor, language),
            "page_url": settings.SITE_URL + reverse(PAGES[what]),
        },
        address=address or user.email,
        subject_id=subject_id,
        now=now,
        language=language,
    )


def _role(actor: Actor, language: str) -> str:
    """The role's name in the letter's language; empty for the people who run the machines."""
    if actor.kind != AuditEntry.ActorKind.STAFF or actor.id is None:
        return ""
    role = StaffMember.objects.filter(user_id=actor.id).values_list("role", flat=True).first()
    with translation.override(language):
        return str(Role(role).label) if role else ""
