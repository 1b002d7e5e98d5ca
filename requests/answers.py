"""Mail about a request: each carries its own status link and is proved after its text is gone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import translation

from consent import mail
from datamap.encryption import decrypt
from requests import links, rules
from requests.models import Letter, Request


@dataclass(frozen=True)
class Posted:
    """A mail handed to the gate: its id, and the token of the link inside."""

    message_id: UUID
    token: str


class NoAddress(Exception):
    """The person has no proved address to answer to."""


def post(
    *,
    request: Request,
    template: str,
    now: datetime,
    context: Mapping[str, Any] | None = None,
    held: bool = False,
) -> Posted:
    """Post `templates/mail/<template>.txt` to the person; `held` waits for `consent.mail.release`.

    Runs in the caller's transaction. Raises `NoAddress`.
    """
    address = request.subject.email
    if not address:
        raise NoAddress
    version = rules.version_of(request)
    token = links.mint(request=request, now=now)
    with translation.override(request.language):
        message = mail.post(
            category="answer",
            template=template,
            context={
                "name": request.name,
                "received_at": request.received_at,
                "due_at": request.due_at,
                "undo_until": request.undo_until,
                "can_undo": bool(request.undo_until and request.undo_until > now),
                "status_url": links.address(token),
                "copies_notice": rules.copies_notice(),
                "controller": version.document.controller,
                "zone": version.document.site.time_zone,
                **(context or {}),
            },
            address=address,
            subject_id=request.subject_id,
            now=now,
            language=request.language,
            held=held,
        )
        text = decrypt(message.body)
        Letter.objects.create(
            request=request,
            message_id=message.pk,
            template=template,
            text_digest=hashlib.sha256(text.encode()).hexdigest(),
            has_copies_notice=says_copies_may_remain(text),
            at=now,
        )
    return Posted(message.pk, token)


def says_copies_may_remain(text: str) -> bool:
    """Whether the finished text carries the notice, however its lines are broken (WC-7)."""
    return " ".join(rules.copies_notice().split()) in " ".join(text.split())
