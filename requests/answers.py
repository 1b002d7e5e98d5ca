"""Mail about a request: each carries its own status link and is proved after its text is gone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils import translation

from consent import mail
from consent.models import Message
from requests import links, rules, wording
from requests.models import Letter, Request


@dataclass(frozen=True)
class Posted:
    """A mail handed to the gate: its id, and the token of the link inside."""

    message_id: UUID
    token: str


def post(
    *,
    request: Request,
    template: str,
    now: datetime,
    context: Mapping[str, Any] | None = None,
    held: bool = False,
    last: bool = False,
) -> Posted | None:
    """Post `templates/mail/<template>.txt` to the person; `held` waits for `consent.mail.release`,
    `last` is the one after which we write no more. None when no address of theirs is known:
    what they asked for is done all the same.

    Runs in the caller's transaction.
    """
    address = address_of(request)
    if address is None:
        return None
    token = links.mint(request=request, now=now)
    with translation.override(request.language):
        message = mail.post(
            category="answer",
            template=template,
            context={**_facts(request, token=token, now=now), **(context or {})},
            address=address,
            subject_id=request.subject_id,
            now=now,
            language=request.language,
            held=held,
            last=last,
        )
        _prove(request, message, now=now)
    return Posted(message.pk, token)


def _prove(request: Request, message: Message, *, now: datetime) -> None:
    """What stays of a letter when its text is gone."""
    text = mail.text_of(message)
    Letter.objects.create(
        request=request,
        message_id=message.pk,
        template=message.template,
        text_digest=hashlib.sha256(text.encode()).hexdigest(),
        has_copies_notice=says_copies_may_remain(text),
        at=now,
    )


def _facts(request: Request, *, token: str, now: datetime) -> dict[str, Any]:
    """What every letter may say about the request, in the language of the moment."""
    document = rules.version_of(request).document
    return {
        "name": request.name,
        "approvals": request.approvals_needed,
        "due_on": wording.day(request.due_at, document.zone),
        "undo_until": _undo_until(request, now=now, zone=document.zone),
        "status_url": links.address(token),
        "package_url": links.package_address(request),
        "copies_notice": wording.copies_notice(),
        "answers": document.controller.answers,
    }


def address_of(request: Request) -> str | None:
    """The person's proved address, or the one their account logs in with, if there is any."""
    user = getattr(request.subject, "user", None)
    return request.subject.email or (user.email if user is not None else None) or None


def says_copies_may_remain(text: str) -> bool:
    """Whether the finished text carries the notice, however its lines are broken (WC-7)."""
    return " ".join(wording.copies_notice().split()) in " ".join(text.split())


def _undo_until(request: Request, *, now: datetime, zone: ZoneInfo) -> str:
    """When the undo window ends; empty when there is none (left)."""
    if request.undo_until is None or request.undo_until <= now:
        return ""
    return wording.moment(request.undo_until, zone)
