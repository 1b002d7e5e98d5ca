"""What stands of parents: consents that hold, and nothing kept that only served to ask.

Part of the check of WC-15 (`retention.children`), and asked by that of WC-14. What a row says of
itself counts only where the append-only log says the same: that a parent was asked, agreed, and was
verified by a member of staff who is neither of the two, in this order. How long a question may stay
open is reckoned anew from the policy of its day.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, Subquery

from accounts.models import Guardianship, User
from audit.models import AuditEntry
from policy.document import Document
from policy.eras import Era

SLACK = timedelta(hours=1)  # until the tick that deletes has come round, whatever broke meanwhile
ASKED, AGREED = "accounts.guardian-asked", "accounts.guardian-agreed"
VERIFIED, ENDED = "accounts.guardian-verified", "accounts.guardian-ended"


def has_consent(subject: str) -> Exists:
    """Whether the person at this path has a parent's verified consent that the log confirms."""
    rows = Guardianship.objects.filter(subject=OuterRef(subject), state="verified")
    return Exists(rows.filter(_verified_in_log()))


def verified_at(subject: str) -> Subquery:
    """When a parent's consent was last verified, by the log; nothing for most people."""
    entries = AuditEntry.objects.filter(verb=VERIFIED, subject_id=OuterRef(subject))
    return Subquery(entries.order_by("-at").values("at")[:1])


def broken(known: list[Era], now: datetime) -> Iterator[str]:
    """Everything about parents that is not as promised: "why:id". Queries don't grow with rows."""
    rows = Guardianship.objects.all()
    yield from (
        f"consent not in the log:{pk}"
        for pk in rows.filter(~_verified_in_log(), state="verified").values_list("pk", flat=True)
    )
    papers = rows.filter(state="verified", contact__isnull=False)
    yield from (f"papers kept:{pk}" for pk in papers.values_list("pk", flat=True))
    yield from _kept_too_long(known, now)
    yield from (f"not locked after a no:{s}" for s in _free_after_a_no())


def _verified_in_log() -> Exists:
    """Agreed first, then verified by staff who are neither child nor parent."""
    about = AuditEntry.objects.filter(subject_id=OuterRef("subject_id"))
    agreed = about.filter(
        verb=AGREED, actor_kind="person", actor_id=OuterRef("guardian_id"), at=OuterRef("agreed_at")
    )
    own = User.objects.filter(
        Q(subject_id=OuterRef("subject_id")) | Q(subject_id=OuterRef("guardian_id")),
        pk=OuterRef("verified_by"),
    )
    verified = about.filter(
        verb=VERIFIED,
        actor_kind="staff",
        actor_id=OuterRef("verified_by"),
        at=OuterRef("verified_at"),
    )
    in_order = Guardianship.objects.filter(
        Exists(agreed), Exists(verified), ~Exists(own), pk=OuterRef("pk")
    )
    return Exists(in_order)


def _kept_too_long(known: list[Era], now: datetime) -> Iterator[str]:
    """Open questions past their end, which is reckoned from the log and the policy of that day."""
    waiting = Guardianship.objects.filter(state__in=("asked", "agreed")).annotate(
        asked=_first(ASKED), agreed=_first(AGREED)
    )
    for row in waiting.values("pk", "asked", "agreed", "answer_until"):
        begun = row["agreed"] or row["asked"]
        if begun is None:
            yield f"question not in the log:{row['pk']}"
            continue
        document = _document_at(known, begun)
        period = document.age.parent_answer or document.age.contest
        end = period.after(begun, zone=document.zone, holidays=document.site.holidays)
        until = row["answer_until"]
        if until is None or until > end or now > end + SLACK:
            yield f"kept without an answer:{row['pk']}"


def _first(verb: str) -> Subquery:
    """When this first happened to the child since the row began."""
    entries = AuditEntry.objects.filter(
        verb=verb, subject_id=OuterRef("subject_id"), at__gte=OuterRef("asked_at")
    )
    return Subquery(entries.order_by("at").values("at")[:1])


def _free_after_a_no() -> Any:
    """Children whose parent took the consent back, and who were not locked by that."""
    after = AuditEntry.objects.filter(
        verb="accounts.child-learned",
        subject_id=OuterRef("subject_id"),
        at__gte=OuterRef("at"),
    )
    no = AuditEntry.objects.filter(verb=ENDED, facts__why__in=("withdrawn", "deletion"))
    return no.filter(~Exists(after)).values_list("subject_id", flat=True).distinct()


def _document_at(known: list[Era], at: datetime) -> Document:
    return next((era for era in reversed(known) if era.since <= at), known[0]).document
