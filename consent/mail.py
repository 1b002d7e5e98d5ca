"""The mail gate: the only way mail leaves the site.

`post` writes a message down, encrypted, in the caller's transaction; a task sends it after the
commit (`consent.delivery`). Three categories exist in every policy: `account` (news about the
person's own account, always sent, without offers), `answer` (one per act of the recipient) and
`staff`. Where the policy has invitations there is `invitation`: to somebody who asked for nothing,
so once per address over everybody who invites it, and only if the room that keeps invitations still
says yes when it leaves (WC-9). All others are the policy's voluntary ones, and go only where the
recipient's choice, or the policy's opt-out basis, lets them at the instant of sending (WC-18,
WC-21, WI-1, CC-17).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from consent import letter, tasks
from consent.letter import Written
from consent.models import ALWAYS, INVITATION, Message, State
from datamap.dispatch import send_on_commit
from datamap.email import normalise_email
from datamap.encryption import keyed_hash
from policy import current
from policy.document import Document


class UnknownCategory(LookupError):
    """Neither one of the fixed categories nor one of the policy's; `known` lists both."""

    def __init__(self, *, category: str, known: list[str]) -> None:
        self.category, self.known = category, known
        super().__init__(f"no mail category is called {category!r}; known: {', '.join(known)}")


class NobodyToAsk(ValueError):
    """Voluntary mail needs a subject, for somebody must have been able to refuse it."""

    def __init__(self, *, category: str) -> None:
        self.category = category
        super().__init__(f"mail of category {category!r} needs a subject")


def post(
    *,
    category: str,
    template: str,
    context: Mapping[str, Any],
    address: str,
    subject_id: UUID | None,
    now: datetime,
    language: str = "en",
    held: bool = False,
    last: bool = False,
    removal: str = "",
) -> Message:
    """Store one message, in the caller's transaction, and have it sent after the commit.

    template: name of `templates/mail/<template>.txt`, see `consent.letter` for what it may hold.
    context: plain values; texts are put on one line. address: one recipient, any spelling.
    held: waits for `release`. last: nothing comes after it, for the person's data goes with it; its
    footer then names an address instead of a link, which would be dead. removal: for an invitation,
    the address of the page that removes the recipient's own.

    Raises `IntegrityError` (an invitation to an address that had one), `UnknownCategory`,
    `NobodyToAsk`, `ValidationError` (no address),
    `letter.BadTemplate`, `TypeError` (values that are not plain), `policy.current.NoPolicy`.
    """
    version = current.fresh(now)
    _check_category(category, version.document, asked=subject_id is not None)
    token = secrets.token_urlsafe(24)
    written = letter.write(
        template=template,
        context=context,
        recipient=normalise_email(address),
        document=version.document,
        footing=_footing(category),
        refusal=removal or (_refusal_address(token) if subject_id and not last else ""),
        last=last,
        language=language,
    )
    message = Message(
        subject_id=subject_id, category=category, template=template, language=language
    )
    message.policy_digest, message.token_hash = version.digest, token_hash(token)
    return _store(message, written, held=held, now=now)


def _store(message: Message, written: Written, *, held: bool, now: datetime) -> Message:
    """Put the sealed letter into its message, and have it sent after the commit unless held."""
    message.template_digest = written.template_digest
    message.state = State.HELD if held else State.QUEUED
    message.address_hash = keyed_hash(written.letter.recipient)
    message.sealed = written.letter.seal()
    message.message_id = f"<{uuid4()}@{_domain()}>"
    message.posted_at = message.due_at = now
    with transaction.atomic():
        message.save(force_insert=True)
        if not held:
            send_on_commit(tasks.send_mail, str(message.id))
    return message


def _check_category(category: str, document: Document, *, asked: bool) -> None:
    fixed = (*ALWAYS, INVITATION) if document.features.invitations else ALWAYS
    known = [*fixed, *(c.key for c in document.mail_categories)]
    if category not in known:
        raise UnknownCategory(category=category, known=known)
    if category not in (*ALWAYS, INVITATION) and not asked:
        raise NobodyToAsk(category=category)


def _footing(category: str) -> letter.Footing:
    if category == INVITATION:
        return letter.Footing.INVITATION
    return letter.Footing.ALWAYS if category in ALWAYS else letter.Footing.VOLUNTARY


def has_invitation(address_hash: str) -> bool:
    """Whether an invitation to this address is in the mail log, waiting or gone."""
    rows = Message.objects.filter(category=INVITATION, address_hash=address_hash)
    return rows.exclude(state=State.REFUSED).exists()


def take_back(*, category: str, address_hash: str, now: datetime) -> int:
    """Throw away, words and all, what waits to be sent to an address in a category; how many.

    What is being handed over at this instant is not waited for.
    """
    waiting = Message.objects.filter(
        category=category, address_hash=address_hash, state__in=(State.HELD, State.QUEUED)
    )
    return waiting.update(state=State.REFUSED, sealed=None, lease_until=None, ended_at=now)


def release(message_id: UUID, now: datetime) -> bool:
    """Let a held message go; False when it was let go before, or is no longer there."""
    with transaction.atomic():
        held = Message.objects.filter(pk=message_id, state=State.HELD)
        if not held.update(state=State.QUEUED, due_at=now):
            return False
        send_on_commit(tasks.send_mail, str(message_id))
    return True


def drop(message_id: UUID, now: datetime) -> bool:
    """Throw a held message away unsent, words and all: what it tells will not happen. False when
    it was let go before, or is no longer there.
    """
    held = Message.objects.filter(pk=message_id, state=State.HELD)
    return bool(held.update(state=State.REFUSED, sealed=None, ended_at=now))


def text_of(message: Message) -> str:
    """Subject line and body as they will leave; empty once the words are dropped."""
    if message.sealed is None:
        return ""
    words = letter.Letter.unseal(bytes(message.sealed))
    return f"{words.subject}\n\n{words.body}"


def token_hash(token: str) -> str:
    """What a refusal link's token is stored as."""
    return hashlib.sha256(token.encode()).hexdigest()


def _refusal_address(token: str) -> str:
    return settings.SITE_URL + reverse("consent:unsubscribe", args=[token])


def _domain() -> str:
    """The right side of our Message-IDs: the site's host (RFC 5322 3.6.4)."""
    return urlsplit(settings.SITE_URL).hostname or "localhost"
