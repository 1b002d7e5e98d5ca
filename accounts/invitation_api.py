"""Inviting for programs: the same act and the same silence about the address as on the site."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from pydantic import ConfigDict, Field, StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import invitations
from accounts.forms.invitations import one_address
from accounts.models import Referral, User
from audit.api import (
    Answer,
    Input,
    Invalid,
    OwnView,
    Problem,
    Refused,
    WrongField,
    add_kind,
    answer,
    body_of,
)
from audit.api import Kind as ProblemKind
from audit.log import person
from consent.api import CLOSED
from consent.ledger import Shown
from policy import current
from policy.document import Document

SURFACE = CHANNEL = "api"
NOT_OFFERED = add_kind(
    ProblemKind(
        code="not-in-policy",
        status=404,
        title=gettext_lazy("The policy in force does not have this"),
        text=gettext_lazy(
            "The site's policy has no such feature, so nobody can use it. Nothing was stored."
        ),
    )
)
USED_UP = add_kind(
    ProblemKind(
        code="invitations-used-up",
        status=409,
        title=gettext_lazy("No more invitations today"),
        text=gettext_lazy(
            "The person invited as many people today as the policy allows; the member `most` says "
            "how many that is. The day is that of the site's time zone. Nothing was stored."
        ),
    )
)
NO_NAME = add_kind(
    ProblemKind(
        code="no-name",
        status=409,
        title=gettext_lazy("The person has no name to invite with"),
        text=gettext_lazy(
            "An invitation names who invites. The name is missing, or looks like a web address. It "
            "can be corrected on the site. Nothing was stored."
        ),
    )
)


class Invite(Input):
    """Whom to invite."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "friend@example.com"}]})

    email: Annotated[str, StringConstraints(min_length=1, max_length=320)] = Field(
        description="One address and nothing else."
    )


class Day(Answer):
    """One day of the site's calendar."""

    day: date
    made: int
    accepted: int = Field(description="How many of that day's invitations were accepted so far.")


EXAMPLE: dict[str, Any] = {
    "left_today": 9,
    "days": [{"day": "2026-03-02", "made": 1, "accepted": 0}],
}


class OwnInvitations(Answer):
    """How many invitations the person made. Nothing is told about a single address."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    left_today: int = Field(description="How many more are possible today.")
    days: list[Day] = Field(description="Newest first, of the last 90 days.")


class InvitationsView(OwnView):
    """One's invitations."""

    scopes = {"GET": "invitations:read", "POST": "invitations:write"}

    @extend_schema(
        operation_id="own_invitations",
        summary="How many people one invited",
        responses=OwnInvitations,
        tags=["me"],
    )
    def get(self, request: Request) -> Response:
        """Counts by day, without addresses."""
        return answer(self._counts(_offered()))

    @extend_schema(
        operation_id="invite",
        summary="Invite somebody by e-mail",
        request=Invite,
        responses={
            202: OwnInvitations,
            409: OpenApiResponse(
                Problem,
                description=(
                    "Nobody can be invited now: `invitations-used-up`, `no-name` or "
                    "`account-restricted`."
                ),
            ),
        },
        tags=["me"],
    )
    def post(self, request: Request) -> Response:
        """One message goes, if we may write to that address. The answer is the same for every
        address but the person's own.
        """
        document = _offered()
        email = body_of(request, Invite).email
        try:
            self._invite(one_address(email), document)
        except ValidationError as error:
            raise _wrong(error.messages[0]) from None
        except invitations.OwnAddress:
            raise _wrong(_("This is the person's own address.")) from None
        except invitations.TooMany as error:
            raise Refused(USED_UP, str(USED_UP.title), most=error.most) from None
        except invitations.NoName:
            raise Refused(NO_NAME, str(NO_NAME.title)) from None
        except invitations.MayNotInvite:
            raise Refused(CLOSED, str(CLOSED.title)) from None
        return answer(self._counts(document), status=202)

    def _invite(self, email: str, document: Document) -> None:
        language = get_language() or "en"
        point = document.collection_point(invitations.POINT)
        invitations.invite(
            inviter=User.objects.select_related("subject").get(subject_id=self.me),
            address=email,
            shown=Shown(
                point.notice if point else "",
                surface=SURFACE,
                locale=language,
                channel=CHANNEL,
                evidence=f"accounts.apikey:{self.caller.key_id}",
            ),
            actor=person(self.me),
            now=timezone.now(),
            language=language,
        )

    def _counts(self, document: Document) -> OwnInvitations:
        now = timezone.now()
        rows: list[Referral] = invitations.counts(subject_id=self.me, now=now)
        return OwnInvitations(
            left_today=invitations.left_today(subject_id=self.me, document=document, now=now),
            days=[Day(day=row.day, made=row.made, accepted=row.accepted) for row in rows],
        )


def _offered() -> Document:
    """The policy in force. Raises `Refused` when it has no invitations."""
    document = current.document(timezone.now())
    if not invitations.offered(document):
        raise Refused(NOT_OFFERED, _("The policy in force has no invitations."))
    return document


def _wrong(told: str) -> Invalid:
    return Invalid([WrongField(pointer="/email", detail=told)])
