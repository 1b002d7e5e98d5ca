"""The reviewers' desk: what waits, how far its clock has run, and whose it is without saying so."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.errands import Span
from requests import fulfil
from requests.models import Approval, Request
from requests.progress import CHIPS
from requests.wording import masked, span

S = Request.State
UNDECIDED: Final = (S.RECEIVED, S.VERIFYING, S.IN_REVIEW)
APPROVED: Final = (S.APPROVED, S.IN_PROGRESS)
# What the desk can be narrowed to: its address, its words, its states.
FILTERS: Final = {
    "open": (gettext_lazy("To decide"), UNDECIDED),
    "approved": (gettext_lazy("Approved, not yet done"), APPROVED),
    "closed": (
        gettext_lazy("Closed"),
        (S.COMPLETED, S.DENIED, S.WITHDRAWN, S.EXPIRED),
    ),
    "all": (gettext_lazy("All"), tuple(S)),
}
SOON: Final = timedelta(days=7)
ERRAND: Final = "request"
# Questions about an answer come after it: so long staff may still look at whose request it was.
AFTERWARDS: Final = timedelta(days=30)


@dataclass(frozen=True)
class Clock:
    """How much of a request's time has run: whole percent, a state for its colour, words."""

    percent: int
    state: str
    text: str


@dataclass(frozen=True)
class Line:
    """One request on the desk."""

    request: Request
    person: str
    clock: Clock
    reader: str
    given: int
    chip: str


@dataclass(frozen=True)
class Choice:
    """One filter with how many requests are behind it."""

    key: str
    title: str
    count: int


def waiting(*, now: datetime) -> tuple[int, int]:
    """How many requests are undecided, and how many open ones are past their deadline without an
    answer: a copy that was approved and is not made yet answers nobody.
    """
    undecided = Q(state__in=UNDECIDED)
    promised = [
        kind for each in fulfil.HANDLINGS if not each.decision_answers for kind in each.kinds
    ]
    unmade = Q(state__in=APPROVED, kind__in=promised)
    counts = Request.objects.filter(undecided | unmade).aggregate(
        count=Count("pk", filter=undecided), late=Count("pk", filter=Q(due_at__lt=now))
    )
    return counts["count"], counts["late"]


def choices() -> list[Choice]:
    """The filters with their counts; one query."""
    counts = dict(Request.objects.values_list("state").annotate(n=Count("pk")))
    return [
        Choice(key, str(title), sum(counts.get(state, 0) for state in states))
        for key, (title, states) in FILTERS.items()
    ]


def queue(*, only: str) -> QuerySet[Request]:
    """The requests behind a filter: open ones by deadline, closed ones newest first."""
    _title, states = FILTERS[only]
    order = ("-received_at",) if only in ("closed", "all") else ("due_at",)
    # For the rows of one page: a join would group all requests there are before it cuts the page.
    approvals = Approval.objects.filter(request=OuterRef("pk")).order_by().values("request")
    given = approvals.annotate(n=Count("pk")).values("n")
    return (
        Request.objects.filter(state__in=states)
        .select_related("subject__user", "claimed_by__user", "erasure")
        .annotate(given=Coalesce(Subquery(given), 0))
        .order_by(*order, "pk")
    )


def line(*, request: Request, now: datetime) -> Line:
    """What the desk shows of a request from `queue`; no query."""
    return Line(
        request=request,
        person=person(request),
        clock=clock(request=request, now=now),
        reader=reader(request),
        given=getattr(request, "given", 0),
        chip=CHIPS[request.state],
    )


def task_of(request: Request) -> str:
    """The request as a task for which staff may read the person's data."""
    return f"{ERRAND}:{request.reference}"


def is_readable(*, request: Request, now: datetime) -> bool:
    """Whether it is open, or was answered so lately that there may be questions."""
    return request.closed_at is None or now < request.closed_at + AFTERWARDS


def spans(references: Collection[str]) -> dict[str, Span]:
    """Reference → whose request and from when to when it is a task; one query."""
    rows = Request.objects.filter(reference__in=references).values_list(
        "reference", "subject_id", "received_at", "closed_at"
    )
    return {
        reference: Span(subject_id, since, closed + AFTERWARDS if closed else None)
        for reference, subject_id, since, closed in rows
    }


def open_of(subject_id: UUID, now: datetime) -> list[str]:
    """References of a person's open requests; one query."""
    rows = Request.objects.filter(subject=subject_id, closed_at=None, received_at__lte=now)
    return list(rows.order_by("received_at").values_list("reference", flat=True))


def person(request: Request) -> str:
    """The person's address, masked: enough to tell two apart, not enough to write to."""
    user = getattr(request.subject, "user", None)
    address = request.subject.email or (user.email if user else "")
    if address:
        return masked(address)
    return _("(erased)") if request.subject.erased_at else _("(no address)")


def reader(request: Request) -> str:
    """The name of whoever took it, empty when nobody did."""
    if request.claimed_by is None:
        return ""
    user = getattr(request.claimed_by, "user", None)
    return (user.get_full_name() if user else "") or _("a former reviewer")


def clock(*, request: Request, now: datetime) -> Clock:
    """The legal clock: from arrival to the deadline, stopped by the answer."""
    if not request.is_open:
        return Clock(100, "", _("closed"))
    whole = (request.due_at - request.received_at).total_seconds()
    run = (now - request.received_at).total_seconds()
    percent = max(0, min(100, round(100 * run / whole)))
    if request.decided_at is not None and fulfil.of(request.kind).decision_answers:
        return Clock(percent, "", _("decided"))
    left = request.due_at - now
    if left < timedelta(0):
        return Clock(100, "late", _("%(time)s late") % {"time": span(-left)})
    state = "soon" if left < SOON else ""
    return Clock(percent, state, _("%(time)s left") % {"time": span(left)})
