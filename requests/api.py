"""One's own requests for programs: following them and taking them back.

Asking is done on the site. A copy of everything, or the end of it, needs a fresh proof of who asks
(password or second factor within minutes), and a key proves only that somebody has the key. So a
POST answers with the page to send the person to; nothing is stored, and no clock seems to run.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.conf import settings
from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from pydantic import ConfigDict, Field
from rest_framework.request import Request as Call
from rest_framework.response import Response

from audit.api import (
    Answer,
    Input,
    Kind,
    OwnView,
    Problem,
    Refused,
    add_kind,
    answer,
    body_of,
    page_of,
)
from audit.log import person
from consent.api import CURSOR, ON_THE_SITE
from datamap.same_person import selection
from requests import progress, review, state
from requests.deletion import TransferRefused
from requests.handling import TooLate
from requests.models import Request

PAGES = {
    "deletion": "requests:delete",
    "access": "requests:copy",
    "portability": "requests:copy",
}
REFERENCE = OpenApiParameter(
    "reference",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    description="Twelve letters and digits, without the dashes that pages show.",
)
TOO_LATE = add_kind(
    Kind(
        code="too-late",
        status=409,
        title=gettext_lazy("This can't be taken back any more"),
        text=gettext_lazy("Carrying it out has begun, or the request is closed."),
    )
)
TRANSFER_MISSING = add_kind(
    Kind(
        code="transfer-missing",
        status=409,
        title=gettext_lazy("A transfer must be agreed to first"),
        text=gettext_lazy(
            "The person took back a consent without which their data can't stay. They agree to it "
            "again on the site, at the address in the member `url`; then the request can be taken "
            "back."
        ),
    )
)
EXAMPLE: dict[str, Any] = {
    "reference": "K7QF2M9X04TB",
    "kind": "deletion",
    "state": "in_review",
    "channel": "privacy centre",
    "received_at": "2026-03-10T12:00:00Z",
    "due_at": "2026-04-10T12:00:00Z",
    "extended_at": None,
    "decided_at": None,
    "undo_until": None,
    "closed_at": None,
    "policy_digest": "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c",
    "url": "https://privacy.example.com/api/v1/me/requests/K7QF2M9X04TB/",
    "page_url": "https://privacy.example.com/privacy/requests/K7QF2M9X04TB/",
}


class OwnRequest(Answer):
    """Something a person asked, and its clock."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    reference: str
    kind: str
    state: Literal[
        "received",
        "verifying",
        "in_review",
        "approved",
        "in_progress",
        "completed",
        "denied",
        "withdrawn",
        "expired",
    ]
    channel: str
    received_at: datetime
    due_at: datetime = Field(description="By when the person gets an answer.")
    extended_at: datetime | None
    decided_at: datetime | None
    undo_until: datetime | None
    closed_at: datetime | None
    policy_digest: str = Field(description="The version whose rules hold for it.")
    url: str
    page_url: str


class OwnRequests(Answer):
    """Requests, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"results": [EXAMPLE], "next": None}]}
    )

    results: list[OwnRequest]
    next: str | None


class Step(Answer):
    """One step, as the status page shows it."""

    title: str
    state: str = Field(description="done, now, failed or todo.")
    note: str


class RequestStatus(Answer):
    """A request, how far it is, and what was answered."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "request": EXAMPLE,
                    "headline": "A person reads your request.",
                    "steps": [{"title": "We got your request", "state": "done", "note": ""}],
                    "reason": "",
                    "delay": "",
                    "may_withdraw": True,
                }
            ]
        }
    )

    request: OwnRequest
    headline: str
    steps: list[Step]
    reason: str = Field(description="Of a denial.")
    delay: str = Field(description="Why more time was needed.")
    may_withdraw: bool


class Ask(Input):
    """What somebody would ask."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "deletion"}]})

    kind: Literal["deletion", "access", "portability"]


class Nothing(Input):
    """An empty body."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})


class RequestsView(OwnView):
    """The list, and where to ask."""

    scopes = {"GET": "requests:read", "POST": "requests:write"}

    @extend_schema(
        operation_id="own_requests",
        summary="One's requests, newest first",
        parameters=[CURSOR],
        responses=OwnRequests,
        tags=["me"],
    )
    def get(self, request: Call) -> Response:
        """Whatever way they came in."""
        page = page_of(
            request, after=self._after, position=lambda r: [r.received_at.isoformat(), r.reference]
        )
        return answer(OwnRequests(results=[_request(r) for r in page.rows], next=page.next))

    @extend_schema(
        operation_id="ask",
        summary="Where to ask: always the site",
        request=Ask,
        responses={
            403: OpenApiResponse(
                Problem, description="`on-the-site`, with the page's address in `url`."
            )
        },
        tags=["me"],
    )
    def post(self, request: Call) -> Response:
        """A request needs a fresh proof of who asks, so no key can open one. The answer is always
        403 with the page where the person asks.
        """
        asked = body_of(request, Ask)
        url = settings.SITE_URL + reverse(PAGES[asked.kind])
        told = _("Requests are made on the site, after a fresh sign-in. Nothing was stored.")
        raise Refused(ON_THE_SITE, told, url=url)

    def _after(self, position: Any) -> QuerySet[Request]:
        mine = Request.objects.filter(subject_id__in=selection(self.me))
        found = mine.order_by("-received_at", "-reference")
        if position is None:
            return found
        at, reference = position
        return found.filter(Q(received_at__lt=at) | Q(received_at=at, reference__lt=reference))


class RequestView(OwnView):
    """One request."""

    scopes = {"GET": "requests:read"}

    @extend_schema(
        operation_id="own_request",
        summary="One request, step by step",
        parameters=[REFERENCE],
        responses=RequestStatus,
        tags=["me"],
    )
    def get(self, request: Call, reference: str) -> Response:
        """As its status page tells it."""
        return answer(_status(_own(self, reference)))


class WithdrawView(OwnView):
    """Taking a request back."""

    scopes = {"POST": "requests:write"}

    @extend_schema(
        operation_id="withdraw",
        summary="Take a request back",
        parameters=[REFERENCE],
        request=Nothing,
        responses={
            200: RequestStatus,
            409: OpenApiResponse(
                Problem, description="It is too late (`too-late`), or `transfer-missing`."
            ),
        },
        tags=["me"],
    )
    def post(self, request: Call, reference: str) -> Response:
        """Possible until carrying out begins, as on the site. The person is told by mail."""
        body_of(request, Nothing)
        asked = _own(self, reference)
        try:
            review.withdraw(request_id=asked.pk, actor=person(self.me), now=timezone.now())
        except (TooLate, state.WrongState):
            raise Refused(TOO_LATE, _("Nothing has changed.")) from None
        except TransferRefused as refused:
            told = _("The person has to agree to “%(title)s” first. Nothing has changed.")
            url = settings.SITE_URL + reverse("consent:choices")
            raise Refused(TRANSFER_MISSING, told % {"title": refused.title}, url=url) from None
        return answer(_status(_own(self, reference)))


def _own(view: OwnView, reference: str) -> Request:
    """The key owner's request of this name; others' do not exist for them."""
    rows = Request.objects.select_related("subject", "erasure")
    return get_object_or_404(rows, reference=reference, subject_id__in=selection(view.me))


def _status(request: Request) -> RequestStatus:
    shown = progress.of(request=request, now=timezone.now())
    return RequestStatus(
        request=_request(request),
        headline=str(shown.headline),
        steps=[Step(title=s.title, state=s.state, note=s.note) for s in shown.steps],
        reason=shown.reason,
        delay=shown.delay,
        may_withdraw=shown.may_withdraw,
    )


def _request(request: Request) -> OwnRequest:
    now_in: Any = str(request.state)
    reference = request.reference
    return OwnRequest(
        reference=reference,
        kind=str(request.kind),
        state=now_in,
        channel=str(request.channel),
        received_at=request.received_at,
        due_at=request.due_at,
        extended_at=request.extended_at,
        decided_at=request.decided_at,
        undo_until=request.undo_until,
        closed_at=request.closed_at,
        policy_digest=request.policy_digest,
        url=settings.SITE_URL + reverse("api_request", args=[reference]),
        page_url=settings.SITE_URL + reverse("requests:own", args=[reference]),
    )
