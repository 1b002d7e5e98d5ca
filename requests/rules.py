"""Deadlines, approvals and undo windows: what the policy says, and the law where it says nothing.

GDPR 12(3): an answer within one calendar month of arrival; two months more when the matter is
complex, told with the reasons within the first.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from policy import current
from policy.document import Document, RequestRule
from policy.models import PolicyVersion
from policy.period import Period
from requests.models import Request

BY_LAW: Final = {"deadline": Period(1, "month"), "extension": Period(2, "month")}
# Closing one's own account needs nobody else; a deletion by staff needs two.
APPROVALS: Final = {"cancellation": 0, "lost-or-stolen": 2}


def rule_for(*, document: Document, kind: str) -> RequestRule:
    """The policy's rule for this kind of request, or the law's."""
    found = document.request_rule(kind)
    if found is not None:
        return found
    return RequestRule.model_construct(
        kind=kind,
        deadline=BY_LAW["deadline"],
        extension=BY_LAW["extension"],
        approvals=APPROVALS.get(kind, 1),
        undo=None,
        channels=["privacy centre"],
        operators_choice=None,
    )


def version_of(request: Request) -> PolicyVersion:
    """The version the request came in under. Its rules stay the request's rules."""
    for version in current.versions():
        if version.digest == request.policy_digest:
            return version
    return current.in_force()


def due_at(*, document: Document, kind: str, received_at: datetime) -> datetime:
    """By when a request of this kind must be answered, counted from its arrival."""
    return end_of(
        rule_for(document=document, kind=kind).deadline, start=received_at, document=document
    )


def undo_until(*, document: Document, kind: str, decided_at: datetime) -> datetime:
    """Until when an approval can be undone; the decision itself when the policy has no window."""
    undo = rule_for(document=document, kind=kind).undo
    return decided_at if undo is None else end_of(undo, start=decided_at, document=document)


def end_of(period: Period, *, start: datetime, document: Document) -> datetime:
    """The end of a period in the operator's zone and with their holidays, as UTC."""
    end = period.after(start, zone=document.zone, holidays=document.site.holidays)
    return end.astimezone(UTC)
