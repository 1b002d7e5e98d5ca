"""Django's e-mail backend of this site: refuses, for mail leaves through the gate only."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

from audit.log import SYSTEM, record

log = structlog.get_logger(__name__)


class NotThroughTheGate(RuntimeError):
    """Somebody tried to send mail round the gate; nothing was sent."""

    def __init__(self, *, messages: int, recipients: int) -> None:
        self.messages, self.recipients = messages, recipients
        super().__init__("mail leaves through consent.mail.post only; nothing was sent")


class GateBackend(BaseEmailBackend):
    """Refuses every message and reports it, whatever `fail_silently` says."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Raises `NotThroughTheGate`. Writes counts only, never whom or what."""
        recipients = sum(len(message.recipients()) for message in email_messages)
        facts = {"messages": len(email_messages), "recipients": recipients}
        log.error("mail.refused_round_the_gate", **facts)
        record(actor=SYSTEM, verb="consent.mail-round-the-gate", now=timezone.now(), facts=facts)
        raise NotThroughTheGate(**facts)
