"""What keeps this room's promises: personal pages that nobody copies, answers that come in time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet, Subquery, TextField
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _

from audit.control import Control, Finding, Sort, declare
from audit.models import AuditEntry
from consent import mail
from consent.models import Message
from policy.document import Document
from policy.eras import Era, eras
from policy.models import PolicyVersion
from policy.period import Period
from requests import answers, probe, staff_reading
from requests.models import Letter, Request

# Every mail that confirms a deletion: asked for, approved, done.
CONFIRMATIONS = ("deletion_received", "deletion_approved", "deletion_done")
# An approval alone answers nobody who wants a copy (GDPR 15(3), 20): the answer is this letter.
COPIES, COPY_READY = ("access", "portability"), "access_ready"
# GDPR 12(3), for kinds the policy names no time for.
MONTH, TWO_MONTHS = Period(1, "month"), Period(2, "month")


def deletion_notice(now: datetime) -> Finding:
    """Personal pages as served, and the notice in every confirmation of a deletion (WC-7).

    Messages still waiting are opened and read; of those sent, whose text is gone, the letter kept
    beside them says what was read off the finished text. A message without one is a violation.
    """
    pages = probe.personal_pages(now=now)
    bad = [f"page {page.name}" for page in pages if page.missing]
    letters = Letter.objects.filter(template__in=CONFIRMATIONS)
    messages = Message.objects.filter(template__in=CONFIRMATIONS)
    told = letters.filter(message_id=OuterRef("pk"), has_copies_notice=True)
    silent = set(messages.filter(~Exists(told)).values_list("pk", flat=True))
    waiting = messages.filter(sealed__isnull=False).only("pk", "sealed")
    for message in waiting.iterator(chunk_size=500):
        if not answers.says_copies_may_remain(mail.text_of(message)):
            silent.add(message.pk)
    # Messages end with the retention period or with the person; what they said stands.
    silent |= set(letters.filter(has_copies_notice=False).values_list("message_id", flat=True))
    alone = letters.filter(~Exists(messages.filter(pk=OuterRef("message_id"))))
    confirmations = messages.count() + alone.count()
    return Finding.of(
        checked=len(pages) + confirmations,
        violations=[*bad, *(f"message {pk}" for pk in sorted(silent))],
        pages=len(pages),
        confirmations=confirmations,
    )


def deadlines(now: datetime) -> Finding:
    """Answered inside the period, counted from arrival (GDPR 12(3)).

    The deadline is worked out anew from the version that was in force on the day of arrival, by
    the published versions alone: neither the digest stored with the request nor its deadline nor
    `requests.rules`, which set both, is believed. It arrived at the latest when the log says so; a
    request that the log does not know is a violation. An extension counts only if it was told
    inside the first period.
    """
    told = Letter.objects.filter(request=OuterRef("pk"), template=COPY_READY).order_by("at")
    requests = (
        Request.objects.order_by()
        .only(
            "kind", "state", "policy_digest", "received_at", "due_at", "extended_at", "decision",
            "decided_at", "closed_at",
        )
        .annotate(copy_told=Subquery(told.values("at")[:1]), logged_at=Subquery(_logged()))
    )  # fmt: skip
    known = eras(now)
    late: list[object] = []
    slowest, checked = timedelta(0), 0
    for request in requests.iterator(chunk_size=2000):
        checked += 1
        answered = _answered(request, request.copy_told) or now
        arrived = min(request.received_at, request.logged_at or request.received_at)
        under, stored = _in_force(known, arrived), _in_force(known, request.logged_at)
        if (
            under is None
            or stored is None
            or stored.digest != request.policy_digest
            or answered > _limit(request, under.document, arrived)
        ):
            late.append(request.pk)
        slowest = max(slowest, answered - arrived)
    return Finding.of(
        checked=checked,
        violations=late,
        slowest_days=round(slowest.total_seconds() / 86400, 1),
    )


def _logged() -> QuerySet[AuditEntry, Any]:
    """When the log noted that a request is there; index audit_entry_object."""
    entries = AuditEntry.objects.filter(
        object_type=Request._meta.label_lower,
        object_id=Cast(OuterRef("pk"), TextField()),
        verb="requests.received",
    )
    return entries.order_by("at").values("at")[:1]


def _in_force(known: list[Era], at: datetime | None) -> PolicyVersion | None:
    """The version in force at an instant."""
    if at is None:
        return None
    return next((era.version for era in reversed(known) if era.since <= at), None)


def _answered(request: Request, copy_told: datetime | None) -> datetime | None:
    """When the person had an answer; None while there is none."""
    if request.kind in COPIES and request.decision == "approved":
        return request.closed_at if request.state == "expired" else copy_told
    return request.decided_at or request.closed_at


def _limit(request: Request, document: Document, arrived: datetime) -> datetime:
    """By when an answer was owed: what the file says of this kind, else the law."""
    rule = document.request_rule(request.kind)
    deadline, extension = (rule.deadline, rule.extension) if rule else (MONTH, TWO_MONTHS)
    zone, holidays = document.zone, document.site.holidays
    limit = deadline.after(arrived, zone=zone, holidays=holidays)
    extended = request.extended_at is not None and request.extended_at <= limit
    return extension.after(limit, zone=zone, holidays=holidays) if extended and extension else limit


declare(
    Control(
        key="requests.deletion-notice",
        sentence=_(
            "Pages with your data are never kept by browsers, caches or archives, and everybody "
            "whose data is deleted is told that copies may remain elsewhere."
        ),
        how=_(
            "We open every personal page as a signed-in visitor and read its headers, and look "
            "for the notice in the text of each message that confirms a deletion."
        ),
        sort=Sort.PROBE,
        check=deletion_notice,
    ),
    Control(
        key="requests.deadlines",
        sentence=_("Every request is answered inside its period, counted from its arrival."),
        how=_(
            "For each request we work the deadline out again, from the policy that was in force on "
            "the day it arrived, and compare it with the time of the answer, or with today. "
            "Whoever wanted a copy is answered when it is ready, not when it is approved."
        ),
        sort=Sort.QUERY,
        check=deadlines,
    ),
    Control(
        key="requests.staff-access",
        sentence=_("Staff see somebody's data only for an open task, and it is written down."),
        how=_(
            "In each role, and as somebody who only runs the machine, we open every page of the "
            "staff. Wherever a made-up person's name or address shows, the log must say who "
            "looked, in which role, why, and for which task that was open and about that person. "
            "The same is asked of everything read in the last 30 days."
        ),
        sort=Sort.PROBE,
        check=staff_reading.check,
    ),
)
