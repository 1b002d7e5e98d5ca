"""Refusing offers by the link in a mail: no log-in, no cookie, nothing asked (RFC 8058, CC-17).

The link in voluntary mail refuses that mail; the one in account mail and answers refuses all
offers. A message that has reached the end of its period takes its link with it.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audit.log import person
from consent import ledger
from consent.ledger import Shown
from consent.mail import token_hash
from consent.models import ALWAYS, Event, Kind, Message
from consent.options import Option, options
from policy.document import Document


def find(token: str) -> Message | None:
    """The message whose link carries this token, as long as we keep it."""
    return Message.objects.filter(
        token_hash=token_hash(token), subject__isnull=False, subject__erased_at=None
    ).first()


def mail_of(message: Message, document: Document) -> Option | None:
    """The voluntary mail the message belongs to; None for account mail and answers."""
    return next((o for o in _mail(document) if o.key == message.category), None)


def refuse(
    *, message: Message, everything: bool, shown: Shown, document: Document, now: datetime
) -> list[Event]:
    """Write a no down for the message's category, or for all voluntary mail.

    A category the policy no longer has needs no refusal: nothing of it can be sent. Raises
    `ledger.SubjectClosed` for an erased subject.
    """
    assert message.subject_id is not None
    every = everything or message.category in ALWAYS
    chosen = [o for o in _mail(document) if every or o.key == message.category]
    with transaction.atomic():
        return [
            ledger.say_no(
                subject_id=message.subject_id,
                kind=Kind.MAIL,
                key=option.key,
                shown=shown,
                actor=person(message.subject_id),
                now=now,
            )
            for option in chosen
        ]


def _mail(document: Document) -> list[Option]:
    return [o for o in options(document) if o.kind == Kind.MAIL]
