"""Who sees what of a profile, found out by looking: as a visitor, a member, a connection, somebody
blocked, and the owner.

Nothing here asks `accounts.visibility`. Which audience counts for whom stands in a table of its
own below; what everyone may see of real people is read from the settings by SQL; the columns of a
profile are taken from the database, so that a new one is looked for from its first day.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts import connections, photos, profiles
from accounts.controls import probes
from accounts.models import Profile, User
from accounts.photos import Photo
from audit.control import Control, Finding, Sort, declare
from audit.log import person
from consent.ledger import Shown
from datamap import encryption
from policy import current

# Whom each audience lets look, the owner apart.
LET: Final = {
    "nobody": set[str](),
    "connections": {"connection"},
    "members": {"connection", "member"},
    "everyone": {"connection", "member", "visitor", "blocked"},
}
LEVELS: Final = tuple(LET)
# Columns of a profile that hold nothing to look for; everything else is looked for.
TECHNICAL: Final = {
    "id",
    "subject_id",
    "handle",
    "photo",
    "photo_at",
    "guarded",
    "opened_at",
    "changed_at",
}
FOUND_BY: Final = {"first_name", "last_name", "about"}
LIVE: Final = 25  # profiles of real people that are looked at each time
SHORTEST: Final = 4  # letters; anything shorter stands on a page by chance


@dataclass
class Stage:
    """People made for a probe. words: owner → part → what only that part says."""

    owners: list[User]
    browsers: dict[str, Client]
    levels: dict[UUID, dict[str, str]] = field(default_factory=dict)
    words: dict[UUID, dict[str, str]] = field(default_factory=dict)
    handles: dict[UUID, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)


def visibility(now: datetime) -> Finding:
    """Everybody is served exactly what the settings allow them (WC-6, WC-17)."""
    parts = _parts(now)
    if not parts:
        return Finding.of(checked=0, violations=[])
    stage = _set_up(parts, now)
    try:
        violations = [wrong for owner in stage.owners for wrong in _looked_at(stage, owner)]
    finally:
        for name in stage.names:
            photos.remove(name)
    looked = len(stage.owners) * len(parts) * (len(stage.browsers) + 1)
    profiles_seen, strangers = _real_people(parts)
    return Finding.of(
        checked=looked + profiles_seen, violations=violations + strangers, pages=profiles_seen
    )


def profile(now: datetime) -> Finding:
    """A profile is shown back and changed, and the next read follows it (WC-19, WA-16)."""
    if "about" not in _parts(now):
        return Finding.of(checked=0, violations=[])
    owner, reader = _person(now), _person(now)
    mine, theirs = _signed_in(owner), _signed_in(reader)
    violations = []
    for audience, seen in (("members", True), ("nobody", False), ("everyone", True)):
        word = secrets.token_hex(8)
        _fill_in(mine, owner, {"about": word, "see_about": audience}, now)
        page = _page_of(owner)
        if word not in _text(mine.get(reverse("accounts:profile"))):
            violations.append(f"not shown back:{audience}")
        if (word in _text(theirs.get(page))) is not seen:
            violations.append(f"not at the next read:{audience}")
    violations += [f"history:{pk}" for pk in _broken_history()]
    return Finding.of(checked=6 + Profile.objects.count(), violations=violations)


# The stage --------------------------------------------------------------------------------------


def _parts(now: datetime) -> set[str]:
    """Parts of a profile that the policy names, by the last word of each field's name."""
    point = current.document(now).collection_point("profile")
    named = {*point.required, *point.optional} if point else set()
    return {name.rpartition(".")[2] for name in named}


def _set_up(parts: set[str], now: datetime) -> Stage:
    """As many owners as levels, so that each part has each level once."""
    owners = [_person(now) for _ in LEVELS]
    member, friend, blocked = (_person(now) for _ in range(3))
    browsers = {
        "visitor": probes.browser(),
        "member": _signed_in(member),
        "connection": _signed_in(friend),
        "blocked": _signed_in(blocked),
    }
    stage = Stage(owners, browsers)
    for number, owner in enumerate(owners):
        one, other = owner.subject_id, friend.subject_id
        actor = person(one)
        connections.connect(one_id=one, other_id=other, because_of="probe", actor=actor, now=now)
        stranger = blocked.subject_id
        connections.block(blocker_id=one, blocked_id=stranger, actor=actor, now=now)
        _furnish(stage, owner, number, sorted(parts), now)
    return stage


def _furnish(stage: Stage, owner: User, number: int, parts: list[str], now: datetime) -> None:
    subject_id = owner.subject_id
    words = {part: _word(part) for part in parts}
    levels = {part: LEVELS[(number + n) % len(LEVELS)] for n, part in enumerate(parts)}
    photo = Photo(words["photo"].encode()) if "photo" in words else None
    profiles.save(
        subject_id=subject_id,
        values={part: word for part, word in words.items() if part != "photo"},
        audiences=levels,
        photo=photo,
        shown=Shown("probe", surface="probe"),
        actor=person(subject_id),
        now=now,
    )
    made = Profile.objects.get(subject_id=subject_id)
    stage.levels[subject_id], stage.words[subject_id] = levels, words
    stage.handles[subject_id] = made.handle
    stage.names.append(made.photo)


def _word(part: str) -> str:
    """Something that stands nowhere else."""
    if part in ("phone", "postcode"):
        return str(10**11 + secrets.randbelow(9 * 10**11))
    return "Q" + secrets.token_hex(6)


# Looking ----------------------------------------------------------------------------------------


def _looked_at(stage: Stage, owner: User) -> Iterator[str]:
    subject_id = owner.subject_id
    handle, words = stage.handles[subject_id], stage.words[subject_id]
    levels = stage.levels[subject_id]
    page = reverse("accounts:person", args=[handle])
    for who, browser in stage.browsers.items():
        allowed = {part for part in words if who in LET[levels[part]]}
        served = {"page": _text(browser.get(page)), "photo": _text(browser.get(f"{page}photo/"))}
        if who == "visitor":
            served["api"] = _text(browser.get(reverse("api_person", args=[handle])))
        else:
            yield from _searched(browser, who, handle, words, levels)
        yield from _compared(who, served, words, levels, allowed)
    seen = _text(_signed_in(owner).get(page))
    yield from (f"owner:{p}" for p, word in words.items() if p != "photo" and word not in seen)


def _searched(
    browser: Client, who: str, handle: str, words: dict[str, str], levels: dict[str, str]
) -> Iterator[str]:
    """Whether somebody is found by a word of theirs exactly when it may be seen."""
    for part in FOUND_BY & set(words):
        answer = _text(browser.get(reverse("accounts:people"), {"q": words[part]}))
        if (handle in answer) is not (who in LET[levels[part]]):
            yield f"search:{who}:{part}:{levels[part]}"


def _compared(
    who: str,
    served: dict[str, str],
    words: dict[str, str],
    levels: dict[str, str],
    allowed: set[str],
) -> Iterator[str]:
    """What was served and should not have been, and the other way round."""
    for part, word in words.items():
        told = f"{who}:{part}:{levels[part]}"
        for place, text in served.items():
            if word in text and part not in allowed:
                yield f"shown:{told}:{place}"
        place = "photo" if part == "photo" else "page"
        if part in allowed and word not in served[place]:
            yield f"hidden:{told}:{place}"
    last = words.get("last_name", "")
    if last and {"first_name", "last_name"} & allowed == {"first_name"}:
        wanted = f"{words['first_name']} {last[0]}."
        if wanted not in served["page"]:
            yield f"hidden:{who}:initial:page"


def _real_people(parts: set[str]) -> tuple[int, list[str]]:
    """Pages of the people who changed theirs last, as a visitor gets them."""
    violations = []
    browser = probes.browser()
    newest = Profile.objects.order_by("-changed_at", "pk").select_related("subject__user")[:LIVE]
    found = [each for each in newest if getattr(each.subject, "user", None)]
    public = _open_to_everyone([each.subject_id for each in found])
    for each in found:
        served = _text(browser.get(reverse("accounts:person", args=[each.handle])))
        for column, value in _values(each):
            hidden = column not in parts or (each.subject_id, column) not in public
            if hidden and len(value) >= SHORTEST and value in served:
                violations.append(f"shown:visitor:{column}:{each.pk}")
    return len(found), violations


def _open_to_everyone(subject_ids: list[UUID]) -> set[tuple[UUID, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.subject_id, s.key FROM accounts_profilesetting s"
            " JOIN datamap_subject o ON o.id = s.subject_id"
            " WHERE s.subject_id = ANY(%s) AND s.until IS NULL AND s.audience = 'everyone'"
            " AND NOT (o.minor OR o.locked OR o.restricted)",
            [subject_ids],
        )
        return set(cursor.fetchall())


def _values(of: Profile) -> Iterator[tuple[str, str]]:
    """Whatever a profile holds, column by column, in the clear; and the last name."""
    for column in of._meta.concrete_fields:
        if column.column in TECHNICAL:
            continue
        value: Any = getattr(of, column.attname)
        if isinstance(value, bytes | memoryview):
            value = encryption.decrypt(bytes(value))
        yield column.name, str(value or "")
    yield "last_name", of.subject.user.last_name


def _broken_history() -> list[str]:
    """Settings that overlap, or begin anew while an earlier one still stands."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM (SELECT id, since, until, lead(since) OVER"
            " (PARTITION BY subject_id, key ORDER BY since, until NULLS LAST) AS next"
            " FROM accounts_profilesetting) AS each"
            " WHERE next IS NOT NULL AND until IS DISTINCT FROM next LIMIT 100"
        )
        return [str(pk) for (pk,) in cursor.fetchall()]


# People -----------------------------------------------------------------------------------------


def _person(now: datetime) -> User:
    email = f"{secrets.token_hex(16)}@probe.invalid"
    names = {"first_name": "Probe", "last_name": "Probe"}
    return User.objects.create_user(email, None, now=now, unconfirmed_since=None, **names)


def _signed_in(user: User) -> Client:
    client = probes.browser()
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return client


def _fill_in(client: Client, owner: User, changes: dict[str, str], now: datetime) -> None:
    """Send the form of one's profile with everything as it is but these."""
    own = profiles.own(subject_id=owner.subject_id, now=now)
    sent = {key: value for key, value in own.values.items() if key != "photo"}
    sent |= {f"see_{key}": audience for key, audience in own.audiences.items()}
    client.post(reverse("accounts:profile"), {**sent, **changes})


def _page_of(owner: User) -> str:
    made = Profile.objects.filter(subject_id=owner.subject_id).first()
    return reverse("accounts:person", args=[made.handle if made else "none"])


def _text(response: Any) -> str:
    """The body of a page that was served; nothing of one that was not."""
    return response.content.decode(errors="replace") if response.status_code == 200 else ""


declare(
    Control(
        key="accounts.visibility",
        sentence=_("Everybody sees of a profile exactly what its owner's settings allow them."),
        how=_(
            "We make people whose parts of a profile are set to each audience in turn, and open "
            "their pages, photos, the search and the API as a visitor, a member, a connection, "
            "somebody blocked and the owner. Nothing of it stays. Then we open the pages of those "
            "who changed theirs last, as a visitor, and look for what is not open to everyone."
        ),
        sort=Sort.PROBE,
        check=visibility,
    ),
    Control(
        key="accounts.profile",
        sentence=_("You can read and change your profile, and a change counts at the next look."),
        how=_(
            "We make two people, change a part and who sees it through the page, and look at once "
            "with the other's browser. Nothing of it stays. Then we look through the history of "
            "all settings for gaps and overlaps."
        ),
        sort=Sort.PROBE,
        check=profile,
    ),
)
