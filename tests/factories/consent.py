"""Subjects, decisions and messages for tests, made through the room's own functions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from audit.log import person
from consent import ledger, mail
from consent.ledger import Shown
from consent.models import Event, Message
from datamap.models import Subject

NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
CATEGORY = "service-news"
TRANSFER = "united-states"
PURPOSE = "matching-advertising"


def make_subject(*, now: datetime = NOW, **flags: Any) -> Subject:
    """A subject without an address; flags as the model has them."""
    return Subject.objects.create(created_at=now, **flags)


def shown(text: str = "May we?", *, surface: str = "signup") -> Shown:
    """Words somebody saw."""
    return Shown(text=text, surface=surface)


def decided(
    subject: Subject,
    decision: str,
    *,
    kind: str = "mail",
    key: str = CATEGORY,
    text: str = "May we?",
    now: datetime = NOW,
) -> Event:
    """A decision of the subject's own."""
    return ledger.decide(
        subject_id=subject.pk,
        kind=kind,
        key=key,
        decision=decision,
        shown=shown(text),
        actor=person(subject.pk),
        now=now,
    )


def posted(
    subject_id: UUID | None,
    *,
    category: str = CATEGORY,
    template: str = "test_news",
    context: dict[str, Any] | None = None,
    address: str = "ada@example.com",
    now: datetime = NOW,
    held: bool = False,
    last: bool = False,
) -> Message:
    """A message in the gate. Its template is one of `tests/consent/templates/mail/`."""
    return mail.post(
        category=category,
        template=template,
        context={"name": "Ada"} if context is None else context,
        address=address,
        subject_id=subject_id,
        now=now,
        held=held,
        last=last,
    )
