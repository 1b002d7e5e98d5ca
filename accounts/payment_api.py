"""Payments for the site's own programs: keep a card, open and close a payment, read what pays.

Every call needs a key of the site's own. A person is named by the address of their account or by
the site's own id of them; nobody's key opens anybody else's data here, and no person's key opens
this at all.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from django.core.exceptions import ValidationError
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from pydantic import ConfigDict, Field
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import payments
from accounts.models import Payment, PaymentCard
from audit.api import (
    Answer,
    Input,
    Invalid,
    Problem,
    Refused,
    SiteView,
    WrongField,
    add_kind,
    answer,
    body_of,
)
from audit.api import Kind as ProblemKind
from audit.log import SYSTEM
from datamap.email import normalise_email
from datamap.models import Subject

REFERENCE = OpenApiParameter(
    "reference",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    description="The site's own name of the payment.",
)
NO_PAYMENTS = add_kind(
    ProblemKind(
        code="no-payments",
        status=403,
        title=gettext_lazy("This site takes no payments"),
        text=gettext_lazy("The policy in force has `payments` switched off. Nothing was stored."),
    )
)
CARD_REFUSED = add_kind(
    ProblemKind(
        code="card-refused",
        status=409,
        title=gettext_lazy("This card can't be used now"),
        text=gettext_lazy(
            "What pays is handed out inside an open payment of its owner only. The member `reason` "
            "says what is missing: not-open, no-card, frozen, dropped or gone. The refusal is in "
            "the log."
        ),
    )
)
REFERENCE_TAKEN = add_kind(
    ProblemKind(
        code="reference-taken",
        status=409,
        title=gettext_lazy("Another payment has this reference"),
        text=gettext_lazy("References are unique for ever. Nothing was stored."),
    )
)
CLOSED = add_kind(
    ProblemKind(
        code="person-closed",
        status=409,
        title=gettext_lazy("Nothing can be stored about this person now"),
        text=gettext_lazy("The account is locked, restricted or being erased."),
    )
)


class NewCard(Input):
    """A card as the payment company describes it; never its full number."""

    token: str = Field(max_length=200)
    brand: str = Field(max_length=30)
    last_four: str = Field(pattern=r"^[0-9]{4}$")
    expires: str = Field(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$", description="Year and month.")


class NewPayment(Input):
    """A payment that begins. Name the person by exactly one of `email` and `external_id`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "reference": "A-2026-00017",
                    "kind": "purchase",
                    "email": "robin@example.com",
                    "card": {
                        "token": "tok_9f8e7d6c5b4a",
                        "brand": "visa",
                        "last_four": "4242",
                        "expires": "2028-05",
                    },
                }
            ]
        },
    )

    reference: str = Field(max_length=64)
    kind: Literal["purchase", "refund", "charge-back"]
    email: str | None = Field(default=None, max_length=320)
    external_id: str | None = Field(default=None, max_length=200)
    card: NewCard | None = Field(default=None, description="Kept for the person, if new.")
    card_handle: str | None = Field(
        default=None, max_length=32, description="Instead of `card`: one that is kept already."
    )


class OnePayment(Answer):
    """A payment."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reference": "A-2026-00017",
                    "kind": "purchase",
                    "card_handle": "pVbt4WcVQ3mC3m6g6Lr2Fw",
                    "opened_at": "2026-03-02T09:30:00Z",
                    "open_until": "2026-03-09T09:30:00Z",
                    "closed_at": None,
                }
            ]
        }
    )

    reference: str
    kind: str
    card_handle: str | None
    opened_at: datetime
    open_until: datetime = Field(description="It closes by itself then.")
    closed_at: datetime | None


class Pays(Answer):
    """What the payment company needs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "token": "tok_9f8e7d6c5b4a",
                    "brand": "visa",
                    "last_four": "4242",
                    "expires": "2028-05",
                }
            ]
        }
    )

    token: str
    brand: str
    last_four: str
    expires: str


class PaymentsView(SiteView):
    """Beginning a payment."""

    scopes = {"POST": "payments:write"}

    @extend_schema(
        operation_id="open_payment",
        summary="Open a payment",
        request=NewPayment,
        responses={201: OnePayment, 409: OpenApiResponse(Problem)},
        tags=["site"],
    )
    def post(self, request: Request) -> Response:
        """Keeps the card, if there is a new one, and opens the payment for seven days at most."""
        body, now = body_of(request, NewPayment), timezone.now()
        subject = _person(body)
        try:
            card = _card(body, subject, now=now)
            payment = payments.open_payment(
                subject=subject,
                reference=body.reference,
                kind=body.kind,
                card=card,
                actor=SYSTEM,
                now=now,
            )
        except ValidationError as error:
            raise Invalid(_fields(error)) from None
        except (
            payments.NotOffered,
            payments.Closed,
            payments.ReferenceTaken,
            payments.TooManyCards,
            payments.Refused,
        ) as error:
            raise _refused(error) from None
        return answer(_payment(payment), status=201)


class ClosePaymentView(SiteView):
    """Ending a payment."""

    scopes = {"POST": "payments:write"}

    @extend_schema(
        operation_id="close_payment",
        summary="Close a payment",
        parameters=[REFERENCE],
        request=None,
        responses=OnePayment,
        tags=["site"],
    )
    def post(self, request: Request, reference: str) -> Response:
        """Its card is out of reach from now on. Closed twice is closed once."""
        try:
            payment = payments.close_payment(reference=reference, actor=SYSTEM, now=timezone.now())
        except payments.NoSuchPayment:
            raise Http404 from None
        return answer(_payment(payment))


class PaysView(SiteView):
    """Reading what pays."""

    scopes = {"POST": "payments:read"}

    @extend_schema(
        operation_id="read_card",
        summary="Read what pays",
        parameters=[REFERENCE],
        request=None,
        responses={200: Pays, 409: OpenApiResponse(Problem)},
        tags=["site"],
    )
    def post(self, request: Request, reference: str) -> Response:
        """Inside an open payment of the card's owner. Each call is logged, refused ones too."""
        try:
            found = payments.read_card(reference=reference, actor=SYSTEM, now=timezone.now())
        except payments.Refused as error:
            if error.reason == "unknown":
                raise Http404 from None
            raise _refused(error) from None
        response = answer(
            Pays(
                token=found.token,
                brand=found.brand,
                last_four=found.last_four,
                expires=found.expires,
            )
        )
        response["Cache-Control"] = "no-store"
        return response


def _person(body: NewPayment) -> Subject:
    """Raises `Invalid` unless exactly one name is given, and for a person nobody knows."""
    if (body.email is None) == (body.external_id is None):
        raise Invalid([WrongField(pointer="/email", detail=_("Name the person by one of both."))])
    if body.email is None:
        found = Subject.objects.filter(external_id=body.external_id).first()
        pointer = "/external_id"
    else:
        pointer = "/email"
        try:
            address = normalise_email(body.email)
        except ValidationError as error:
            raise Invalid([WrongField(pointer=pointer, detail=error.messages[0])]) from None
        found = Subject.objects.filter(user__email=address).first()
    if found is None:
        raise Invalid([WrongField(pointer=pointer, detail=_("Nobody has this name here."))])
    return found


def _card(body: NewPayment, subject: Subject, *, now: datetime) -> PaymentCard | None:
    if body.card is not None:
        try:
            return payments.keep_card(
                subject=subject,
                token=body.card.token,
                brand=body.card.brand,
                last_four=body.card.last_four,
                expires=body.card.expires,
                actor=SYSTEM,
                now=now,
            )
        except ValidationError as error:
            raise Invalid(_fields(error, below="/card")) from None
    if body.card_handle is None:
        return None
    card = PaymentCard.objects.filter(subject=subject, handle=body.card_handle).first()
    if card is None:
        told = _("This person has no card of this name.")
        raise Invalid([WrongField(pointer="/card_handle", detail=told)])
    return card


def _fields(error: ValidationError, below: str = "") -> list[WrongField]:
    return [
        WrongField(pointer=f"{below}/{name}", detail=told[0])
        for name, told in error.message_dict.items()
    ]


def _refused(error: Exception) -> Refused:
    if isinstance(error, payments.NotOffered):
        return Refused(NO_PAYMENTS, _("The policy in force has no payments."))
    if isinstance(error, payments.ReferenceTaken):
        return Refused(REFERENCE_TAKEN, _("Another payment has this reference."))
    if isinstance(error, payments.Refused):
        told = _("This card can't be used now. The refusal is in the log.")
        return Refused(CARD_REFUSED, told, reason=error.reason)
    if isinstance(error, payments.TooManyCards):
        told = _("This person has as many cards as are possible.")
        return Refused(CARD_REFUSED, told, reason="too-many")
    return Refused(CLOSED, _("Nothing can be stored about this person now."))


def _payment(found: Payment) -> OnePayment:
    return OnePayment(
        reference=found.reference,
        kind=str(found.kind),
        card_handle=found.card.handle if found.card else None,
        opened_at=found.opened_at,
        open_until=found.open_until,
        closed_at=found.closed_at,
    )
