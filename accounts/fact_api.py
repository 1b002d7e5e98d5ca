"""Facts from outside, delivered by the site's own programs (GDPR 14, PROMISES CC-13).

What the policy in force does not name as a source is refused, and so is a fact about somebody who
does not let others add to their profile. Whether there is such a person is not told apart from it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import OpenApiResponse, extend_schema
from pydantic import ConfigDict, Field, StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import facts
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
from datamap.email import normalise_email
from datamap.models import Subject

SOURCE_FORBIDDEN = add_kind(
    ProblemKind(
        code="source-forbidden",
        status=403,
        title=gettext_lazy("The policy does not name this source"),
        text=gettext_lazy(
            "Facts about people are taken only from sources that the policy in force names; the "
            "member `sources` lists them. Nothing was stored."
        ),
    )
)
NOT_WANTED = add_kind(
    ProblemKind(
        code="fact-not-wanted",
        status=409,
        title=gettext_lazy("No fact about this person can be taken"),
        text=gettext_lazy(
            "There is no such person, or they do not let others add to their profile, or their "
            "data is only stored for now. Nothing was stored."
        ),
    )
)
TOO_MANY = add_kind(
    ProblemKind(
        code="facts-waiting",
        status=409,
        title=gettext_lazy("Too many facts wait for this person's answer"),
        text=gettext_lazy("Deliver the rest when the person has answered. Nothing was stored."),
    )
)


class Delivery(Input):
    """One fact about one person, who is named by exactly one of `external_id` and `email`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "external_id": "4711",
                    "source": "Newspapers",
                    "text": "Won the town's chess tournament in 2026.",
                }
            ]
        }
    )

    external_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None, description="The site's own id of the person."
    )
    email: Annotated[str, StringConstraints(min_length=3, max_length=320)] | None = None
    source: Annotated[str, StringConstraints(min_length=1, max_length=4000)] = Field(
        description="Exactly as the policy names it in `outside_sources`."
    )
    text: str = Field(description="One fact in a sentence, at most 500 characters, no markup.")


class Delivered(Answer):
    """What became of it. waiting: the person decides. on file: an exception the policy names."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"state": "waiting", "received_at": "2026-03-02T09:30:00Z"}]
        }
    )

    state: Literal["waiting", "on file"]
    received_at: datetime


class FactsView(SiteView):
    """Facts from outside."""

    scopes = {"POST": "facts:write"}

    @extend_schema(
        operation_id="deliver_fact",
        summary="Deliver a fact from an outside source",
        request=Delivery,
        responses={
            201: Delivered,
            403: OpenApiResponse(Problem, description="The policy does not name the source."),
            409: OpenApiResponse(Problem, description="No fact about this person can be taken."),
        },
        tags=["site"],
    )
    def post(self, request: Request) -> Response:
        """The person is written to about it at once. Needs a key of the site's own."""
        delivery = body_of(request, Delivery)
        text = _clean(delivery.text)
        try:
            fact = facts.deliver(
                subject_id=_person(delivery),
                text=text,
                source=delivery.source,
                key_id=self.caller.key_id,
                now=timezone.now(),
            )
        except facts.SourceForbidden as error:
            told = _("The policy in force does not name this source.")
            raise Refused(SOURCE_FORBIDDEN, told, sources=error.known) from None
        except facts.NotWanted:
            raise Refused(NOT_WANTED, str(NOT_WANTED.title)) from None
        except facts.TooMany:
            raise Refused(TOO_MANY, str(TOO_MANY.title)) from None
        state: Literal["waiting", "on file"] = "waiting" if fact.state == "waiting" else "on file"
        return answer(Delivered(state=state, received_at=fact.received_at), status=201)


def _clean(text: str) -> str:
    try:
        return facts.clean("text", text)
    except ValidationError as error:
        raise Invalid([WrongField(pointer="/text", detail=error.messages[0])]) from None


def _person(delivery: Delivery) -> UUID | None:
    """Whom it is about; none when we know nobody of that name. Raises `Invalid`."""
    given = [name for name in ("external_id", "email") if getattr(delivery, name) is not None]
    if len(given) != 1:
        told = _("Name the person by external_id or by email, not by both.")
        raise Invalid([WrongField(pointer="/external_id", detail=told)])
    people = Subject.objects.order_by().values_list("pk", flat=True)
    if delivery.external_id is not None:
        return people.filter(external_id=delivery.external_id).first()
    try:
        return people.filter(email=normalise_email(delivery.email or "")).first()
    except ValidationError:
        told = _("This is no e-mail address.")
        raise Invalid([WrongField(pointer="/email", detail=told)]) from None
