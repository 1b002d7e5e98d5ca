"""A person's own profile: opened with the account, read and changed by its owner alone.

Every change leaves a cause: an event in the ledger for what was handed over, under the words that
stood beside it (WD-5), a row of settings for who may see it from then on (WC-20), and an entry of
the log that says which parts changed, never to what. All in one transaction, so the next read
anywhere is already the new one (WA-16).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import photos
from accounts.corrections import note_corrected
from accounts.models import Audience, Profile, ProfileSetting, User
from accounts.photos import Photo
from accounts.visibility import PARTS, POINT, Part, default, offered, settings_of, value_of
from audit.log import Actor, record
from consent import ledger
from consent.ledger import Shown
from datamap import encryption
from datamap.models import Subject
from policy import current
from policy.document import Document

TICK: Final = timedelta(microseconds=1)
WIDE: Final = frozenset({Audience.MEMBERS, Audience.EVERYONE})


@dataclass(frozen=True)
class Rule:
    """What a part may hold. longest: in characters. lines: whether it may have several."""

    longest: int
    lines: bool = False
    pattern: str = ""
    told: Any = ""


RULES: Final[Mapping[str, Rule]] = {
    "first_name": Rule(100),
    "last_name": Rule(100),
    "phone": Rule(
        40,
        pattern=r"\+?[0-9(][0-9 ()./-]{3,}",
        told=gettext_lazy("Write a phone number: digits, spaces, and + ( ) / . - if needed."),
    ),
    "address": Rule(300, lines=True),
    "postcode": Rule(
        16,
        pattern=r"[A-Za-z0-9][A-Za-z0-9 -]*",
        told=gettext_lazy("Write a postal code: letters, digits, spaces and hyphens."),
    ),
    "about": Rule(2000, lines=True),
    "interests": Rule(500),
    "networks": Rule(500),
}
_MARKUP: Final = re.compile(r"<\s*[a-zA-Z/!?]")
_TURNING: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")  # letters that turn what follows


class NoProfiles(Exception):
    """The policy in force has no profiles, or the person has no account."""


class WrongParts(ValueError):
    """What was sent is not taken, and nothing was changed. errors: `values.phone` → reason."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        super().__init__(", ".join(sorted(errors)))


@dataclass(frozen=True)
class Own:
    """A profile as its owner sees it. audiences: part → who sees it, set or by default. needed: the
    parts that no account may be without.
    """

    handle: str
    parts: tuple[Part, ...]
    values: Mapping[str, str]
    audiences: Mapping[str, str]
    needed: frozenset[str]
    minor: bool

    @property
    def is_found(self) -> bool:
        """Whether anybody but connections can find anything."""
        return any(self.audiences[p.key] in WIDE and self.values.get(p.key) for p in self.parts)


def open_profile(*, subject_id: UUID, now: datetime) -> Profile | None:
    """The person's profile, made if there is none and the policy has profiles."""
    if not offered(current.document(now)):
        return Profile.objects.filter(subject_id=subject_id).first()
    minor = Subject.objects.filter(pk=subject_id, minor=True).exists()
    made = {"guarded": minor, "opened_at": now, "changed_at": now}
    return Profile.objects.get_or_create(subject_id=subject_id, defaults=made)[0]


def own(*, subject_id: UUID, now: datetime) -> Own:
    """A person's profile as they see it; writes nothing. Raises `NoProfiles`."""
    document = current.document(now)
    parts = offered(document)
    user = User.objects.select_related("subject__profile").filter(subject_id=subject_id).first()
    if user is None or not parts:
        raise NoProfiles
    profile = _profile_of(user, now)
    chosen = settings_of([subject_id]).get(subject_id, {})
    return Own(
        handle=profile.handle if not profile._state.adding else "",
        parts=parts,
        values={part.key: value_of(profile, part) for part in parts},
        audiences={part.key: _audience(part, chosen, profile, document) for part in parts},
        needed=frozenset(part.key for part in parts if part.data in _needed(document)),
        minor=user.subject.minor,
    )


def clean(key: str, text: str) -> str:
    """The text as it will be stored. Raises `ValidationError` in words for the person."""
    rule = RULES[key]
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if len(text) > rule.longest:
        told = _("This is longer than %(most)d characters. Shorten it.")
        raise ValidationError(told % {"most": rule.longest})
    if any(_is_control(letter, rule) for letter in text) or _TURNING.search(text):
        if not rule.lines:
            raise ValidationError(_("Write this on one line, without special control characters."))
        raise ValidationError(_("Leave out special control characters."))
    if _MARKUP.search(text):
        raise ValidationError(_("Write plain words: marks such as <b> are not possible here."))
    if text and rule.pattern and not re.fullmatch(rule.pattern, text):
        raise ValidationError(str(rule.told))
    return text


def audiences_for(*, minor: bool) -> tuple[Audience, ...]:
    """Who may be chosen: people under age open nothing to visitors."""
    return tuple(a for a in Audience if not (minor and a is Audience.EVERYONE))


def save(
    *,
    subject_id: UUID,
    values: Mapping[str, str],
    audiences: Mapping[str, str],
    photo: Photo | None = None,
    remove_photo: bool = False,
    shown: Shown,
    actor: Actor,
    now: datetime,
) -> frozenset[str]:
    """Change the parts and settings named, and nothing else; the keys of what changed.

    values: part → text, empty to delete it. audiences: part → who sees it. A new photo takes the
    place of the old. Raises `WrongParts`, `NoProfiles`, `consent.ledger.SubjectClosed`.
    """
    stored = photos.store(photo) if photo else ""
    try:
        with transaction.atomic():
            return _save(
                subject_id=subject_id,
                values=values,
                audiences=audiences,
                photo=stored or ("" if remove_photo else None),
                shown=shown,
                actor=actor,
                now=now,
            )
    except BaseException:
        photos.remove(stored)
        raise


def narrow(*, subject_id: UUID, actor: Actor, now: datetime) -> None:
    """Private settings for somebody who turns out to be under age (WC-16); in the caller's
    transaction. What was open to members or visitors is for connections from now on.
    """
    profile = Profile.objects.filter(subject_id=subject_id).first()
    if profile is None:
        return
    document = current.fresh(now).document
    chosen = settings_of([subject_id]).get(subject_id, {})
    wide = {
        part.key: Audience.CONNECTIONS
        for part in PARTS.values()
        if _audience(part, chosen, profile, document) in WIDE
    }
    Profile.objects.filter(pk=profile.pk).update(guarded=True)
    if wide:
        _set(subject_id, wide, now=now)
        _note("accounts.profile-narrowed", profile, wide, actor=actor, now=now)


def _save(
    *,
    subject_id: UUID,
    values: Mapping[str, str],
    audiences: Mapping[str, str],
    photo: str | None,
    shown: Shown,
    actor: Actor,
    now: datetime,
) -> frozenset[str]:
    """photo: the new file's name, empty for none, None to leave it."""
    ledger.lock_subject(subject_id)
    document = current.fresh(now).document
    opened = open_profile(subject_id=subject_id, now=now)
    user = User.objects.select_related("subject").filter(subject_id=subject_id).first()
    if opened is None or user is None or not offered(document):
        raise NoProfiles
    profile = Profile.objects.select_related("subject__user").get(pk=opened.pk)
    cleaned = _checked(values, audiences, document=document, minor=user.subject.minor)
    changed = {k: v for k, v in cleaned.items() if v != value_of(profile, PARTS[k])}
    filled = {PARTS[key].data for key, value in changed.items() if value}
    if photo is not None and photo != profile.photo:
        _check_offered("photo", document)
        filled |= {PARTS["photo"].data} if photo else set()
        changed["photo"] = photo
    _submit(subject_id, filled, shown=shown, actor=actor, now=now)
    _write(profile, changed, now=now)
    chosen = settings_of([subject_id]).get(subject_id, {})
    set_anew = {k: Audience(a) for k, a in audiences.items() if a != chosen.get(k)}
    _set(subject_id, set_anew, now=now)
    if changed:
        _note("accounts.profile-changed", profile, changed, actor=actor, now=now)
        names = {PARTS[key].data for key in changed}
        note_corrected(subject_id=subject_id, names=names, now=now)
    if set_anew:
        _note("accounts.profile-settings-changed", profile, set_anew, actor=actor, now=now)
    return frozenset(changed) | frozenset(set_anew)


def _checked(
    values: Mapping[str, str], audiences: Mapping[str, str], *, document: Document, minor: bool
) -> dict[str, str]:
    """The values as they will be stored. Raises `WrongParts` with everything that is wrong."""
    known = {part.key for part in offered(document)}
    errors = {}
    cleaned = {}
    for key, text in values.items():
        if key not in known or key not in RULES:
            errors[f"values.{key}"] = _("There is no such part of a profile here.")
            continue
        try:
            cleaned[key] = clean(key, text)
        except ValidationError as error:
            errors[f"values.{key}"] = error.messages[0]
        else:
            if not cleaned[key] and PARTS[key].data in _needed(document):
                errors[f"values.{key}"] = _("An account needs this. You can change it.")
    for key, audience in audiences.items():
        if key not in known:
            errors[f"audiences.{key}"] = _("There is no such part of a profile here.")
        elif audience not in audiences_for(minor=minor):
            allowed = ", ".join(audiences_for(minor=minor))
            errors[f"audiences.{key}"] = _("Choose one of: %(allowed)s.") % {"allowed": allowed}
    if errors:
        raise WrongParts(errors)
    return cleaned


def _check_offered(key: str, document: Document) -> None:
    if PARTS[key] not in offered(document):
        raise WrongParts({f"values.{key}": _("There is no such part of a profile here.")})


def _needed(document: Document) -> set[str]:
    """What no account may be without."""
    points = (document.collection_point(key) for key in ("signup", POINT))
    return {name for point in points if point for name in point.required}


def _submit(
    subject_id: UUID, filled: set[str], *, shown: Shown, actor: Actor, now: datetime
) -> None:
    """The event of handing data over; also refuses for whom nothing may be stored any more."""
    subject = ledger.lock_subject(subject_id)
    if filled:
        ledger.submit(
            subject_id=subject_id, point=POINT, fields=filled, shown=shown, actor=actor, now=now
        )
    elif subject.erased_at or subject.locked:
        why = "erased" if subject.erased_at else "locked"
        raise ledger.SubjectClosed(subject_id=subject_id, why=why)


def _write(profile: Profile, changed: Mapping[str, str], *, now: datetime) -> None:
    if not changed:
        return
    of_user = {key: value for key, value in changed.items() if _is_of_account(key)}
    of_profile: dict[str, Any] = {
        key: _sealed(value) if PARTS[key].sealed else value
        for key, value in changed.items()
        if key not in of_user
    }
    if of_user:
        User.objects.filter(subject_id=profile.subject_id).update(**of_user)
    if "photo" in changed:
        of_profile["photo_at"] = now if changed["photo"] else None
        old = profile.photo
        transaction.on_commit(lambda: photos.remove(old))
    Profile.objects.filter(pk=profile.pk).update(**of_profile, changed_at=now)


def _set(subject_id: UUID, audiences: Mapping[str, Audience], *, now: datetime) -> None:
    """End the settings that stood, and begin new ones."""
    if not audiences:
        return
    standing = ProfileSetting.objects.filter(
        subject_id=subject_id, until__isnull=True, key__in=list(audiences)
    )
    # Never before the last one began: two changes within a clock's tick keep their order.
    begun = [since + TICK for since in standing.values_list("since", flat=True)]
    at = max([now, *begun])
    standing.update(until=at)
    rows = [
        ProfileSetting(subject_id=subject_id, key=key, audience=audience, since=at)
        for key, audience in audiences.items()
    ]
    ProfileSetting.objects.bulk_create(rows)


def _note(
    verb: str, profile: Profile, parts: Mapping[str, object], *, actor: Actor, now: datetime
) -> None:
    record(
        actor=actor,
        verb=verb,
        now=now,
        object=profile,
        subject_id=profile.subject_id,
        facts={"parts": sorted(parts)},
    )


def _profile_of(user: User, now: datetime) -> Profile:
    """The user's profile; for somebody who has none yet, what it would be."""
    try:
        profile = user.subject.profile
    except Profile.DoesNotExist:
        minor = user.subject.minor
        profile = Profile(subject=user.subject, guarded=minor, opened_at=now, changed_at=now)
    profile.subject = user.subject
    return profile


def _audience(
    part: Part, chosen: Mapping[str, str], profile: Profile, document: Document
) -> Audience:
    found = chosen.get(part.key) or default(part, guarded=profile.guarded, document=document)
    return Audience(found)


def _is_of_account(key: str) -> bool:
    return PARTS[key].data.startswith("accounts.account.")


def _sealed(value: str) -> bytes | None:
    return encryption.encrypt(value) if value else None


def _is_control(letter: str, rule: Rule) -> bool:
    if letter == "\n":
        return not rule.lines
    return unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")
