"""Probes: what a stranger's browser or mail program meets, tried out and undone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.test import Client

from audit.control import Finding
from consent import mail
from consent.models import Event, Message
from datamap.models import Subject
from policy import current
from policy.document import Document

ENDINGS = """
    SELECT DISTINCT m.policy_digest, m.footer_digest, w.text, m.subject_id IS NULL
    FROM consent_message m LEFT JOIN consent_words w ON w.digest = m.footer_digest
    WHERE m.state = 'sent'
"""
LINK = re.compile(r"https?://\S+/unsubscribe/[\w-]+/")


def refusal_line(now: datetime) -> Finding:
    """CC-17: every message that left ended with a way to refuse, and that way works."""
    violations = [str(found) for found in _without_line()]
    document = current.fresh(now).document
    categories = ["account", "answer", *(c.key for c in document.mail_categories)]
    violations += [f"link of {c}" for c in categories if not _link_works(c, document, now)]
    sent = Message.objects.filter(state="sent").count()
    return Finding.of(checked=sent + len(categories), violations=violations)


def _without_line() -> Iterator[UUID]:
    """Sent messages whose end lacks the controller, its address, or the way to refuse.

    Few different endings exist, so each is read once.
    """
    documents = {version.digest: version for version in current.versions()}
    with connection.cursor() as cursor:
        cursor.execute(ENDINGS)
        endings = cursor.fetchall()
    for policy, footer, text, nobody in endings:
        version = documents.get(policy)
        if version and text and _is_complete(text, version.document, nobody=nobody):
            continue
        yield from Message.objects.filter(
            state="sent",
            policy_digest=policy,
            footer=footer,
            subject__isnull=nobody,
        ).values_list("pk", flat=True)


def _is_complete(text: str, document: Document, *, nobody: bool) -> bool:
    controller = document.controller
    way = controller.email if nobody else "(link)"
    return all(part in text for part in (controller.name, *controller.address, way))


def _link_works(category: str, document: Document, now: datetime) -> bool:
    """Post a trial message, find its link, look (nothing happens), press (refused)."""
    subject = Subject.objects.create(created_at=now)
    message = mail.post(
        category=category,
        template="trial",
        context={},
        address="trial@example.com",
        subject_id=subject.pk,
        now=now,
        held=True,
    )
    link = LINK.search(mail.text_of(message))
    if link is None:
        return False
    path = urlsplit(link[0]).path
    browser = Client(headers={"host": urlsplit(settings.SITE_URL).netloc})
    looked = browser.get(path, secure=settings.HTTPS)
    if looked.status_code != 200 or Event.objects.filter(subject=subject).exists():
        return False
    body = "List-Unsubscribe=One-Click"
    kind = "application/x-www-form-urlencoded"
    pressed = browser.post(path, body, content_type=kind, secure=settings.HTTPS)
    events = Event.objects.filter(subject=subject, kind="mail", decision="refused")
    refused = set(events.values_list("key", flat=True))
    every = {c.key for c in document.mail_categories}
    wanted = {category} if category in every else every
    return pressed.status_code == 200 and not pressed.cookies and refused == wanted
