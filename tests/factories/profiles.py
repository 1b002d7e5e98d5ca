"""People with profiles, and those who look at them."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.test import Client
from PIL import Image

from accounts import connections, photos, profiles
from accounts.models import Profile, User
from accounts.photos import Photo
from audit.log import person
from consent.ledger import Shown
from tests.factories.accounts import JOINED, member

# Part → words that stand nowhere else.
WORDS = {
    "first_name": "Zaphira",
    "last_name": "Quillfeather",
    "phone": "+44 7700 900123",
    "address": "9 Marzipan Row",
    "postcode": "ZZ99 3XY",
    "about": "I tune harpsichords.",
    "interests": "lichens",
    "networks": "Guild of Bellfounders",
}


def picture(
    kind: str = "JPEG", *, size: tuple[int, int] = (640, 480), colour: str = "teal", **options: Any
) -> bytes:
    """A picture as a camera would make it."""
    made = io.BytesIO()
    Image.new("RGB", size, colour).save(made, kind, **options)
    return made.getvalue()


def photo(colour: str = "teal") -> Photo:
    """A photo as it is stored."""
    return photos.read(io.BytesIO(picture(colour=colour)))


def set_profile(
    user: User,
    *,
    values: dict[str, str] | None = None,
    audiences: dict[str, str] | None = None,
    photo: Photo | None = None,
    now: datetime = JOINED,
) -> Profile:
    """Change a profile as its owner would."""
    profiles.save(
        subject_id=user.subject_id,
        values=values or {},
        audiences=audiences or {},
        photo=photo,
        shown=Shown("Beside each part you say who sees it.", surface="profile"),
        actor=person(user.subject_id),
        now=now,
    )
    return profile_of(user)


def with_profile(audience: str | None = None, *, now: datetime = JOINED) -> User:
    """A member all of whose profile is filled in, and set to one audience, or to none at all."""
    user = member(now=now)
    audiences = dict.fromkeys([*WORDS, "photo"], audience) if audience else {}
    set_profile(user, values=WORDS, audiences=audiences, photo=photo(), now=now)
    return user


def profile_of(user: User) -> Profile:
    """The row."""
    return Profile.objects.get(subject_id=user.subject_id)


def handle_of(user: User) -> str:
    """The last part of the address of somebody's page."""
    return profile_of(user).handle


def connect(one: User, other: User, *, now: datetime = JOINED) -> None:
    """Make two people connections of each other."""
    ids: dict[str, UUID] = {"one_id": one.subject_id, "other_id": other.subject_id}
    connections.connect(**ids, because_of="test", actor=person(one.subject_id), now=now)


def block(blocker: User, blocked: User, *, now: datetime = JOINED) -> None:
    """Let one want nothing to do with the other."""
    connections.block(
        blocker_id=blocker.subject_id,
        blocked_id=blocked.subject_id,
        actor=person(blocker.subject_id),
        now=now,
    )


def signed_in(user: User) -> Client:
    """The browser of somebody signed in."""
    client = Client()
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return client
