"""Profiles for programs: one's own to read and change, others' as far as they show themselves.

Everything asks `accounts.visibility`. A key looks as its owner; without a key one is a visitor.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import people, profiles
from accounts.profile_answers import ChangeProfile, OwnPart, OwnProfile, Person, PersonPart
from accounts.profiles import NoProfiles, audiences_for
from accounts.visibility import PARTS, POINT, VISITOR, Shown, Viewer
from audit.api import ApiView, Invalid, OwnView, Problem, Refused, WrongField, answer, body_of
from audit.log import person
from consent import ledger
from consent.api import CLOSED
from policy import current

SURFACE = CHANNEL = "api"
HANDLE = OpenApiParameter(
    "handle", OpenApiTypes.STR, OpenApiParameter.PATH, description="From the address of their page."
)


class ProfileView(OwnView):
    """One's own profile."""

    scopes = {"GET": "profile:read", "PATCH": "profile:write"}

    @extend_schema(
        operation_id="own_profile",
        summary="One's own profile, and who sees which part",
        responses=OwnProfile,
        tags=["me"],
    )
    def get(self, request: Request) -> Response:
        """Every part that the policy lets a profile have, filled in or not."""
        return answer(_own(self.me))

    @extend_schema(
        operation_id="change_own_profile",
        summary="Change parts of it, or who sees them",
        request=ChangeProfile,
        responses={
            200: OwnProfile,
            409: OpenApiResponse(
                Problem, description="Nothing may be added for now (`account-restricted`)."
            ),
        },
        tags=["me"],
    )
    def patch(self, request: Request) -> Response:
        """All of it or nothing. Counts from the next read on, everywhere. A photo is sent on the
        site.
        """
        wanted = body_of(request, ChangeProfile)
        now = timezone.now()
        point = current.document(now).collection_point(POINT)
        shown = ledger.Shown(
            point.notice if point else "",
            surface=SURFACE,
            locale=get_language() or "en",
            channel=CHANNEL,
            evidence=f"accounts.apikey:{self.caller.key_id}",
        )
        try:
            profiles.save(
                subject_id=self.me,
                values=wanted.values,
                audiences=wanted.audiences,
                shown=shown,
                actor=person(self.me),
                now=now,
            )
        except NoProfiles:
            raise Http404 from None
        except profiles.WrongParts as error:
            raise Invalid([_wrong(place, told) for place, told in error.errors.items()]) from None
        except ledger.SubjectClosed as closed:
            told = _("The person's data is %(why)s, so nothing can be added.")
            raise Refused(CLOSED, told % {"why": closed.why}) from None
        return answer(_own(self.me))


class OwnViewOfPersonView(OwnView):
    """Somebody, as the key's owner sees them."""

    scopes = {"GET": "people:read"}

    @extend_schema(
        operation_id="person_as_own",
        summary="Somebody, as the owner of the key sees them",
        parameters=[HANDLE],
        responses=Person,
        tags=["people"],
    )
    def get(self, request: Request, handle: str) -> Response:
        """As on their page. Who shows this viewer nothing is not found, as nobody is."""
        return answer(_person(handle, Viewer(self.me)))


class PersonView(ApiView):
    """Somebody, as everybody sees them."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="person",
        summary="Somebody, as visitors see them",
        parameters=[HANDLE],
        responses=Person,
        tags=["people"],
    )
    def get(self, request: Request, handle: str) -> Response:
        """Only what they opened to everyone. No cache and no search engine may keep it."""
        return answer(_person(handle, VISITOR))


def _own(me: UUID) -> OwnProfile:
    try:
        own = profiles.own(subject_id=me, now=timezone.now())
    except NoProfiles:
        raise Http404 from None
    page = _page(own.handle) if own.handle else None
    parts = []
    for part in own.parts:
        audience: Any = str(own.audiences[part.key])
        is_photo = part.key == "photo"
        parts.append(
            OwnPart(
                key=part.key,
                title=str(part.label),
                value="" if is_photo else own.values[part.key],
                photo_url=f"{page}photo/" if is_photo and own.values[part.key] else None,
                audience=audience,
            )
        )
    allowed: list[Any] = [str(audience) for audience in audiences_for(minor=own.minor)]
    return OwnProfile(url=page, parts=parts, audiences=allowed)


def _person(handle: str, viewer: Viewer) -> Person:
    shown = people.by_handle(handle=handle, viewer=viewer, now=timezone.now())
    if shown is None:
        raise Http404
    page = _page(shown.handle)
    return Person(
        url=page,
        name=shown.name,
        photo_url=f"{page}photo/" if "photo" in shown.values else None,
        parts=_parts(shown),
    )


def _parts(shown: Shown) -> list[PersonPart]:
    """What stands on the page below name and photo."""
    named = ("first_name", "last_name", "photo")
    return [
        PersonPart(key=key, title=str(part.label), value=shown.values[key])
        for key, part in PARTS.items()
        if key in shown.values and key not in named
    ]


def _page(handle: str) -> str:
    return settings.SITE_URL + reverse("accounts:person", args=[handle])


def _wrong(place: str, told: str) -> WrongField:
    pointer = "/" + place.replace("~", "~0").replace("/", "~1").replace(".", "/", 1)
    return WrongField(pointer=pointer[:100], detail=told)
