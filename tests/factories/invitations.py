"""Invitations for tests, made through the room's own functions."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from accounts import invitations
from accounts.models import User
from audit.log import person
from consent import mail
from consent.ledger import Shown
from consent.models import Message
from datamap.encryption import keyed_hash

NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
FRIEND = "friend@example.com"
TOKEN = re.compile(r"/invitations/([\w-]+)/\s")


def invite(inviter: User, address: str = FRIEND, *, now: datetime = NOW) -> None:
    """Somebody invites an address."""
    invitations.invite(
        inviter=inviter,
        address=address,
        shown=Shown("We use the address once.", surface="invitations"),
        actor=person(inviter.subject_id),
        now=now,
    )


def letter_to(address: str = FRIEND) -> Message:
    """The invitation to an address that waits to be sent."""
    return Message.objects.get(
        category="invitation", address_hash=keyed_hash(address), sealed__isnull=False
    )


def invited(inviter: User, address: str = FRIEND, *, now: datetime = NOW) -> str:
    """The same; the token of the link in the message."""
    invite(inviter, address, now=now)
    found = TOKEN.search(mail.text_of(letter_to(address)))
    assert found is not None
    return found[1]
