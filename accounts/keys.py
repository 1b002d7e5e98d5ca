"""Keys to the API: made by a person for their own data, shown once, found without telling.

A key is `kept_<prefix>_<secret>`. The prefix finds the row; of the whole key the table holds only
a digest. The secret has 256 random bits, so a plain SHA-256 can't be searched.

A key opens nothing while its owner is locked, and nothing for ever once the owner is erased. A new
password ends all keys with the other log-ins: whoever knew the old one may have made some.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse

from accounts.models import ApiKey, LossNotice, User
from audit import access
from audit.log import Actor, record
from consent.ledger import lock_subject
from consent.mail import post

MOST: Final = 10  # live keys of one person
LIVES: Final = (timedelta(days=30), timedelta(days=90), timedelta(days=365))
_LETTERS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_SHAPE: Final = re.compile(r"kept_([0-9a-z]{10})_[A-Za-z0-9_-]{43}")
_NOBODY: Final = hashlib.sha256(b"no key has this digest").hexdigest()


class TooMany(Exception):
    """The person has as many live keys as they may."""


class NameTaken(Exception):
    """A live key of the person's bears this name already."""


class UnknownScope(ValueError):
    """No room offers this scope; `scopes` lists those."""

    def __init__(self, scopes: Collection[str]) -> None:
        self.scopes = sorted(scopes)
        super().__init__(f"unknown scopes: {', '.join(self.scopes)}")


@dataclass(frozen=True)
class Made:
    """A new key. text: what its holder needs; nobody can show it again."""

    key: ApiKey
    text: str


def make(
    *,
    user: User,
    name: str,
    scopes: Collection[str],
    life: timedelta,
    actor: Actor,
    now: datetime,
    language: str = "en",
) -> Made:
    """Make a key to a person's own data, and tell them by mail.

    Raises `UnknownScope`, `TooMany`, `NameTaken`, `ValueError` for a life not in `LIVES`.
    """
    if life not in LIVES:
        raise ValueError(f"a key can't live {life}")
    if not scopes or (unknown := set(scopes) - access.scopes().keys()):
        raise UnknownScope(unknown if scopes else ())
    with transaction.atomic():
        lock_subject(user.subject_id)  # two at once would both find room
        live = live_keys(user=user, now=now)
        if live.filter(name=name).exists():
            raise NameTaken
        if live.count() >= MOST:
            raise TooMany
        made = _stored(user=user, name=name, scopes=scopes, life=life, now=now)
        _record(made.key, user, "accounts.api_key_made", actor, now)
        _tell(made.key, user, now=now, language=language)
    return made


def make_site_key(
    *, name: str, scopes: Collection[str], life: timedelta, actor: Actor, now: datetime
) -> Made:
    """Make a key for the site's own programs, which opens nobody's data by itself.

    Made at the console by whoever keeps the site running. Raises `UnknownScope`, `NameTaken`,
    `ValueError` for a life not in `LIVES`.
    """
    if life not in LIVES:
        raise ValueError(f"a key can't live {life}")
    if not scopes or (unknown := set(scopes) - access.site_scopes().keys()):
        raise UnknownScope(unknown if scopes else ())
    with transaction.atomic():
        if ApiKey.objects.filter(user=None, name=name, expires_at__gt=now).exists():
            raise NameTaken
        made = _stored(user=None, name=name, scopes=scopes, life=life, now=now)
        _record(made.key, None, "accounts.api_key_made", actor, now)
    return made


def live_site_keys(*, now: datetime) -> QuerySet[ApiKey]:
    """The site's own keys that still open something, newest first."""
    return ApiKey.objects.filter(user=None, expires_at__gt=now).order_by("-created_at", "-pk")


def revoke_site_key(*, name: str, actor: Actor, now: datetime) -> bool:
    """End one of the site's own keys, from the next call on; False when there is none such."""
    with transaction.atomic():
        key = live_site_keys(now=now).select_for_update().filter(name=name).first()
        if key is None:
            return False
        ApiKey.objects.filter(pk=key.pk).update(expires_at=now, revoked_at=now)
        _record(key, None, "accounts.api_key_revoked", actor, now)
    return True


def live_keys(*, user: User, now: datetime) -> QuerySet[ApiKey]:
    """The person's keys that still open something, newest first."""
    return ApiKey.objects.filter(user=user, expires_at__gt=now).order_by("-created_at", "-pk")


def revoke(*, user: User, handle: str, actor: Actor, now: datetime) -> bool:
    """End one of the person's keys, from the next call on; False when there is no such live one."""
    with transaction.atomic():
        key = live_keys(user=user, now=now).select_for_update().filter(handle=handle).first()
        if key is None:
            return False
        ApiKey.objects.filter(pk=key.pk).update(expires_at=now, revoked_at=now)
        _record(key, user, "accounts.api_key_revoked", actor, now)
    return True


def revoke_all(*, user: User, actor: Actor, now: datetime) -> int:
    """End all of a person's keys; how many there were."""
    with transaction.atomic():
        ended = list(live_keys(user=user, now=now).select_for_update())
        ApiKey.objects.filter(pk__in=[k.pk for k in ended]).update(expires_at=now, revoked_at=now)
        for key in ended:
            _record(key, user, "accounts.api_key_revoked", actor, now)
    return len(ended)


def find(*, text: str, now: datetime) -> ApiKey | None:
    """The live key whose text this is, with its owner; none for all others alike.

    One query, one digest and one comparison for every text of the right shape, whether its prefix
    exists or not. The key of a locked or closed account is none, nor is one whose owner's password
    is said to be in wrong hands.
    """
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        return None
    rows = ApiKey.objects.select_related("user__subject")
    rows = rows.annotate(paused=LossNotice.pausing("user__subject_id"))
    key = rows.filter(prefix=shape[1]).first()
    known = key.key_hash if key is not None else _NOBODY
    if not hmac.compare_digest(known, digest(text)) or key is None or not key.is_live(now):
        return None
    return key if _may_act(key.user) and not key.paused else None


def note_use(*, key: ApiKey, now: datetime) -> None:
    """Remember the day of the last use; one update on the first call of a day."""
    today = now.date()
    if key.last_used_on != today:
        stale = Q(last_used_on__isnull=True) | Q(last_used_on__lt=today)
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_on=today)


def digest(text: str) -> str:
    """What is stored of a key: SHA-256, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def owner_of(key: ApiKey) -> UUID | None:
    """The subject whose data the key opens; none for the site's own keys."""
    return key.user.subject_id if key.user is not None else None


def _stored(
    *, user: User | None, name: str, scopes: Collection[str], life: timedelta, now: datetime
) -> Made:
    prefix = "".join(secrets.choice(_LETTERS) for _position in range(10))
    text = f"kept_{prefix}_{secrets.token_urlsafe(32)}"
    key = ApiKey.objects.create(
        user=user,
        name=name,
        prefix=prefix,
        key_hash=digest(text),
        scopes=sorted(scopes),
        created_at=now,
        expires_at=now + life,
    )
    return Made(key, text)


def _may_act(user: User | None) -> bool:
    if user is None:
        return True
    return user.is_active and not user.subject.locked and user.subject.erased_at is None


def _record(key: ApiKey, user: User | None, verb: str, actor: Actor, now: datetime) -> None:
    record(
        actor=actor,
        verb=verb,
        now=now,
        object=key,
        subject_id=user.subject_id if user else None,
        facts={"scopes": list(key.scopes), "expires_at": key.expires_at.isoformat()},
    )


def _tell(key: ApiKey, user: User, *, now: datetime, language: str) -> None:
    post(
        category="account",
        template="account_api_key_made",
        context={
            "key_name": key.name,
            "keys_url": settings.SITE_URL + reverse("accounts:api_keys"),
            "password_reset_url": settings.SITE_URL + reverse("account_reset_password"),
        },
        address=user.email,
        subject_id=user.subject_id,
        now=now,
        language=language,
    )
