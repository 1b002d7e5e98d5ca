"""Who sees what of whom: the one place that decides, for pages, search, photos and the API.

The danger is a second opinion: a list that shows a name the page would hide. So nothing else in
the product reads a profile in order to show it to somebody. Everything asks `visible` or, for
many people at once, `visible_to`; both take four queries, whatever the number of people.

A field is set to one of four audiences. How near a viewer is to an owner says which of them count:

    a visitor           everyone
    a member            everyone, members
    a connection        everyone, members, connections
    the owner           all

A block, in either direction, makes both see what a visitor sees, and says so nowhere. Somebody
locked, restricted, erased, closed or not yet confirmed is shown to nobody else, and sees others as
a visitor. Of people under age nothing is shown to visitors, whatever is set; children who are here
with a parent's consent are shown to others only if the parent said yes to that, too.

Without a setting a default holds: other members see the first name, the initial of the last name
and the photo, where the policy names them as recipients (WC-17); nobody sees anything else. For
people under age only connections see that much (WC-16): a grown-up whom they did not accept finds
no child here, and whoever they know still recognises them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.connections import blocked_between, connected_with
from accounts.models import Audience, Profile, ProfileSetting, User
from datamap import encryption
from datamap.models import Subject
from policy import current
from policy.document import Document

WITH: Final = ("subject__user", "subject__guardianship")  # what deciding needs of a profile
POINT: Final = "profile"  # the policy's collection point that says what a profile may hold


@dataclass(frozen=True)
class Part:
    """A part of a profile with a setting of its own.

    data: its field as the policy names it. sealed: stored encrypted. identity: shown to members
    by default.
    """

    key: str
    data: str
    label: Any
    sealed: bool = False
    identity: bool = False


PARTS: Final[Mapping[str, Part]] = {
    part.key: part
    for part in (
        Part(
            "first_name",
            "accounts.account.first_name",
            _("First name and initial of the last"),
            identity=True,
        ),
        Part("last_name", "accounts.account.last_name", _("Last name")),
        Part("photo", "accounts.profile.photo", _("Photo"), identity=True),
        Part("phone", "accounts.profile.phone", _("Phone number"), sealed=True),
        Part("address", "accounts.profile.address", _("Postal address"), sealed=True),
        Part("postcode", "accounts.profile.postcode", _("Postal code"), sealed=True),
        Part("about", "accounts.profile.about", _("About")),
        Part("interests", "accounts.profile.interests", _("Interests")),
        Part("networks", "accounts.profile.networks", _("Networks")),
    )
}


class Reach(IntEnum):
    """How near a viewer is to an owner."""

    VISITOR = 0
    MEMBER = 1
    CONNECTION = 2
    OWNER = 3


NEEDED: Final[Mapping[str, Reach]] = {
    Audience.EVERYONE: Reach.VISITOR,
    Audience.MEMBERS: Reach.MEMBER,
    Audience.CONNECTIONS: Reach.CONNECTION,
    Audience.NOBODY: Reach.OWNER,
}


@dataclass(frozen=True)
class Viewer:
    """Who looks: a person with an account, or nobody we know. A key to the API looks as its owner;
    staff look as the members they are.
    """

    subject_id: UUID | None = None


VISITOR: Final = Viewer()


@dataclass(frozen=True)
class Shown:
    """What one viewer may see of one person. values: part → text; of the photo its file's name.

    Parts without a value, or out of the viewer's reach, are not in it.
    """

    subject_id: UUID
    handle: str
    reach: Reach
    values: Mapping[str, str] = field(default_factory=dict)
    initial: str = ""

    @property
    def name(self) -> str:
        """First name and initial, the whole name where it may be seen, or nothing."""
        first, last = self.values.get("first_name", ""), self.values.get("last_name", "")
        return f"{first} {last or self.initial}".strip()

    def __bool__(self) -> bool:
        return bool(self.values)


def viewer_of(request: HttpRequest) -> Viewer:
    """Whoever is signed in, as a viewer."""
    user = request.user
    return Viewer(user.subject_id) if isinstance(user, User) else VISITOR


def offered(document: Document) -> tuple[Part, ...]:
    """The parts that a profile may have under this policy; none where it has no profiles."""
    point = document.collection_point(POINT)
    named = {*point.required, *point.optional} if point else set()
    return tuple(part for part in PARTS.values() if part.data in named)


def has_profiles() -> bool:
    """Whether people have profiles under the policy in force."""
    try:
        return bool(offered(current.document()))
    except current.NoPolicy:
        return False


def default(part: Part, *, guarded: bool, document: Document) -> Audience:
    """Who sees a part that its owner never set."""
    if not part.identity:
        return Audience.NOBODY
    if guarded:
        return Audience.CONNECTIONS
    told = any(recipient.role == "members" for recipient in document.recipients)
    return Audience.MEMBERS if told else Audience.NOBODY


def visible(*, owner: UUID, viewer: Viewer, now: datetime) -> Shown | None:
    """What this viewer may see of this person; None for nothing at all, or nobody there."""
    return visible_to(owners=[owner], viewer=viewer, now=now).get(owner)


def visible_to(
    *,
    owners: Collection[UUID],
    viewer: Viewer,
    now: datetime,
    only: Collection[str] = tuple(PARTS),
) -> dict[UUID, Shown]:
    """Owner → what this viewer may see of them; people of whom nothing may be seen are left out.

    only: the parts wanted; nothing else is decrypted.
    """
    found = rows(Q(subject_id__in=set(owners)))
    shown = show(found, reaches(owners=owners, viewer=viewer), now=now, only=only)
    return {each.subject_id: each for each in shown if each}


def rows(condition: Q) -> list[Profile]:
    """Profiles with their owners, in one query."""
    return list(Profile.objects.filter(condition).select_related(*WITH))


def reaches(*, owners: Collection[UUID], viewer: Viewer) -> dict[UUID, Reach]:
    """Owner → how near the viewer is to them; three queries at most."""
    found = dict.fromkeys(owners, Reach.VISITOR)
    me = viewer.subject_id
    if me is None:
        return found
    others = set(found) - {me}
    if others and _may_look(me):
        near = connected_with(subject_ids=others, viewer_id=me)
        blocked = blocked_between(subject_ids=others, viewer_id=me)
        for other in others - blocked:
            found[other] = Reach.CONNECTION if other in near else Reach.MEMBER
    if me in found:
        found[me] = Reach.OWNER
    return found


def show(
    profiles: Iterable[Profile],
    reached: Mapping[UUID, Reach],
    *,
    now: datetime,
    only: Collection[str] = tuple(PARTS),
) -> list[Shown]:
    """What somebody so near may see of each; in the order given. One query.

    For a preview `reached` is what its owner wants to be shown; else it comes from `reaches`.
    """
    profiles = list(profiles)
    document = current.document(now)
    parts = [part for part in offered(document) if part.key in only]
    settings = settings_of([profile.subject_id for profile in profiles])
    shown = []
    for profile in profiles:
        reach = reached[profile.subject_id]
        seen = []
        if _is_there(profile, reach):
            chosen = settings.get(profile.subject_id, {})
            seen = [p for p in parts if _within(p, chosen, profile, reach, document)]
        shown.append(_shown(profile, reach, seen))
    return shown


def settings_of(subject_ids: Collection[UUID]) -> dict[UUID, dict[str, str]]:
    """Subject → part → audience, for what was set; one query."""
    found: dict[UUID, dict[str, str]] = {}
    standing = ProfileSetting.objects.filter(subject_id__in=subject_ids, until__isnull=True)
    for subject_id, key, audience in standing.values_list("subject_id", "key", "audience"):
        found.setdefault(subject_id, {})[key] = audience
    return found


def setting_at(*, subject_id: UUID, key: str, at: datetime) -> str:
    """Who was to see this part at that time; where nothing was set, its default.

    Raises `KeyError` for no part of a profile.
    """
    part = PARTS[key]
    history = ProfileSetting.objects.filter(subject_id=subject_id, key=key, since__lte=at)
    then = history.filter(Q(until__isnull=True) | Q(until__gt=at)).order_by("-since").first()
    if then is not None:
        return then.audience
    profile = Profile.objects.filter(subject_id=subject_id).first()
    guarded = profile.guarded if profile else True
    return default(part, guarded=guarded, document=current.document(at))


def _may_look(subject_id: UUID) -> bool:
    """Whether this person counts as a member who looks at others."""
    free = Subject.objects.filter(pk=subject_id, locked=False, restricted=False, erased_at=None)
    return free.filter(user__is_active=True, user__unconfirmed_since=None).exists()


def _is_there(profile: Profile, reach: Reach) -> bool:
    """Whether the person is shown to anybody but themselves."""
    subject = profile.subject
    user = getattr(subject, "user", None)
    if user is None or subject.erased_at is not None:
        return False
    if reach is Reach.OWNER:
        return True
    ward = getattr(subject, "guardianship", None)
    closed = subject.locked or subject.restricted or (ward is not None and not ward.discloses)
    return not closed and user.is_active and user.unconfirmed_since is None


def _within(
    part: Part, chosen: Mapping[str, str], profile: Profile, reach: Reach, document: Document
) -> bool:
    audience = chosen.get(part.key) or default(part, guarded=profile.guarded, document=document)
    if profile.subject.minor and audience == Audience.EVERYONE:
        audience = Audience.MEMBERS
    return reach >= NEEDED[audience]


def _shown(profile: Profile, reach: Reach, parts: Iterable[Part]) -> Shown:
    values = {part.key: value for part in parts if (value := value_of(profile, part))}
    last = profile.subject.user.last_name if "first_name" in values else ""
    return Shown(
        subject_id=profile.subject_id,
        handle=profile.handle,
        reach=reach,
        values=values,
        initial=f"{last[:1].upper()}." if last else "",
    )


def value_of(profile: Profile, part: Part) -> str:
    """What stands in a part, in the clear; for its owner, or for whom `show` decided it."""
    if part.data.startswith("accounts.account."):
        return str(getattr(profile.subject.user, part.key))
    stored = getattr(profile, part.key)
    if part.sealed:
        return encryption.decrypt(bytes(stored)) if stored else ""
    return str(stored)
