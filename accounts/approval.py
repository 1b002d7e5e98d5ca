"""Two people: one of the staff asks, another one decides, and nobody decides on themselves.

The danger. Whoever can make somebody staff can make a second self, approve with it whatever they
like, and take it away again. So what is grave needs two pairs of eyes, and the second must really
be a second one:
- Neither who asked nor whom it is about decides. The tables refuse it, too.
- What is decided is named by a digest of everything that will be done. Whoever approves sends back
  the digest of what they saw; if anything differs, nothing happens.
- While somebody is away their deputy decides in their place, never on what the absent person asked
  for, and never as a deputy whom the asker has named.
- It is carried out in the transaction of the decision, or not at all.

A room says with `declare` which kinds there are, who may ask and decide, and what an approval
carries out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Approval, User
from accounts.staff import may, stands_in_for
from audit.errands import Span
from audit.log import record, staff
from datamap.encryption import decrypt, encrypt
from datamap.models import Subject

ERRAND: Final = "approval"
LIVES: Final = timedelta(days=14)  # from then on it has to be asked for again
LONGEST_NOTE: Final = 1000
D = Approval.Decision


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Something that two people have to agree on.

    key: `room.what`. title: what it is called. ask, decide: the permissions for that.
    tell: what would be done, in one sentence for whoever decides.
    carry_out: does it, in the decision's transaction; gets the approval, who decided, and the time.
    """

    key: str
    title: Any
    ask: str
    decide: str
    tell: Callable[[Approval], str]
    carry_out: Callable[[Approval, User, datetime], None]


@dataclass(frozen=True)
class _Seat:
    """A right to decide: one's own, or that of the absent person one stands in for."""

    in_place_of: User | None


class NotAllowed(PermissionError):
    """Neither the person's role nor somebody they stand in for may do this."""


class OwnAffair(PermissionError):
    """Nobody decides on themselves, nor on what they asked for."""


class AlreadyAsked(ValueError):
    """The same thing about the same person waits already."""


class NotWaiting(ValueError):
    """It was decided, taken back, or its time is over."""


class CantBeDone(ValueError):
    """What was asked for is no longer possible; a kind's `carry_out` raises it."""


class Changed(ValueError):
    """What would be done is not what the person saw."""


_kinds: dict[str, Kind] = {}


def declare(kind: Kind) -> None:
    """Register a kind."""
    if kind.key in _kinds:
        raise ValueError(f"two kinds of approval are called {kind.key!r}")
    _kinds[kind.key] = kind


def kind_of(approval: Approval) -> Kind:
    """The kind of this approval."""
    return _kinds[approval.what]


def digest(*, what: str, about: UUID | None, details: Mapping[str, Any]) -> str:
    """Of everything that would be done: SHA-256 of canonical JSON, in hex."""
    whole = {"what": what, "about": str(about) if about else None, "details": dict(details)}
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def ask(
    *,
    what: str,
    about: Subject | None,
    details: Mapping[str, Any],
    by: User,
    now: datetime,
    note: str = "",
) -> Approval:
    """Ask for something that somebody else has to agree to.

    details: ids and words of the kind's own, never personal data. note: why, for who decides.
    Raises `NotAllowed`, `OwnAffair`, `AlreadyAsked`.
    """
    kind = _kinds[what]
    if not may(by, kind.ask):
        raise NotAllowed
    if about is not None and about.pk == by.subject_id:
        raise OwnAffair
    with transaction.atomic():
        if about is not None:
            Subject.objects.select_for_update().get(pk=about.pk)  # two at once would both find room
            same = Approval.objects.filter(what=what, about=about, decision=D.NONE)
            same.filter(expires_at__lte=now).update(decision=D.EXPIRED, decided_at=now)
            if same.filter(expires_at__gt=now).exists():
                raise AlreadyAsked
        approval = Approval.objects.create(
            what=what,
            about=about,
            details=dict(details),
            digest=digest(what=what, about=about.pk if about else None, details=details),
            note=encrypt(note) if note else None,
            asked_by_id=by.subject_id,
            asked_at=now,
            expires_at=now + LIVES,
        )
        _record(approval, by, "accounts.approval-asked", now)
    return approval


def approve(*, handle: str, seen: str, by: User, now: datetime) -> Approval:
    """Agree, and have it done at once. seen: the digest of what the person saw.

    Raises `NotWaiting`, `NotAllowed`, `OwnAffair`, `Changed`, and `CantBeDone`; then nothing is
    decided.
    """
    with transaction.atomic():
        approval = _held(handle, now)
        in_place_of = seat(approval=approval, by=by, now=now)
        fresh = digest(what=approval.what, about=approval.about_id, details=approval.details)
        if not approval.digest == fresh == seen:
            raise Changed
        _decide(approval, D.APPROVED, by, in_place_of, now)
        kind_of(approval).carry_out(approval, by, now)
    return approval


def refuse(*, handle: str, by: User, now: datetime) -> Approval:
    """Say no. Raises `NotWaiting`, `NotAllowed`, `OwnAffair`."""
    with transaction.atomic():
        approval = _held(handle, now)
        in_place_of = seat(approval=approval, by=by, now=now)
        _decide(approval, D.REFUSED, by, in_place_of, now)
    return approval


def withdraw(*, handle: str, by: User, now: datetime) -> Approval:
    """Take back what one asked for. Raises `NotWaiting`, `NotAllowed` for others."""
    with transaction.atomic():
        approval = _held(handle, now)
        if approval.asked_by_id != by.subject_id:
            raise NotAllowed
        _decide(approval, D.WITHDRAWN, by, None, now)
    return approval


def seat(*, approval: Approval, by: User, now: datetime) -> User | None:
    """In whose place this person may decide; none when it is their own. One query at most.

    Raises `OwnAffair`, `NotAllowed`.
    """
    if by.subject_id in (approval.asked_by_id, approval.about_id):
        raise OwnAffair
    found = _seat(approval, by, []) or _seat(approval, by, stands_in_for(user=by, now=now))
    if found is None:
        raise NotAllowed
    return found.in_place_of


def waiting(*, now: datetime) -> QuerySet[Approval]:
    """Everything that waits for a second person, oldest first."""
    rows = Approval.objects.filter(decision=D.NONE, expires_at__gt=now)
    return rows.select_related("asked_by__user", "about__user").order_by("asked_at", "pk")


def open_to(*, user: User, now: datetime) -> list[tuple[Approval, bool]]:
    """What waits for this person's decision, and what they asked for (True); two queries."""
    stands_for = stands_in_for(user=user, now=now)
    found = []
    for each in waiting(now=now):
        mine = each.asked_by_id == user.subject_id
        if mine or _seat(each, user, stands_for) is not None:
            found.append((each, mine))
    return found


def spans(references: Collection[str]) -> dict[str, Span]:
    """Handle → about whom, and from when to when it waits for a decision; one query."""
    rows = Approval.objects.filter(handle__in=references, about__isnull=False)
    return {
        handle: Span(about, asked, decided or expires)
        for handle, about, asked, decided, expires in rows.values_list(
            "handle", "about_id", "asked_at", "decided_at", "expires_at"
        )
        if about is not None
    }


def open_of(subject_id: UUID, now: datetime) -> list[str]:
    """Handles of what waits for a decision about this person; one query."""
    return list(waiting(now=now).filter(about=subject_id).values_list("handle", flat=True))


def note_of(approval: Approval) -> str:
    """Why it was asked for; empty when nothing was said or the words are gone."""
    return decrypt(bytes(approval.note)) if approval.note else ""


def _seat(approval: Approval, by: User, stands_for: list[tuple[User, UUID]]) -> _Seat | None:
    """In what capacity the person may decide; none if they may not."""
    involved = (approval.asked_by_id, approval.about_id)
    if by.subject_id in involved:
        return None
    needed = kind_of(approval).decide
    if may(by, needed):
        return _Seat(None)
    for absent, named_by in stands_for:
        free = absent.subject_id not in involved and not _is_asker(approval, named_by)
        if free and may(absent, needed):
            return _Seat(absent)
    return None


def _is_asker(approval: Approval, user_id: UUID) -> bool:
    asker = getattr(approval.asked_by, "user", None)
    return asker is not None and asker.pk == user_id


def _held(handle: str, now: datetime) -> Approval:
    """The approval under its lock, if it still waits."""
    rows = Approval.objects.select_for_update(of=("self",)).select_related("asked_by__user")
    approval = rows.filter(handle=handle).first()
    if approval is None or approval.decision or approval.expires_at <= now:
        raise NotWaiting
    return approval


def _decide(
    approval: Approval, decision: str, by: User, in_place_of: User | None, now: datetime
) -> None:
    approval.decision, approval.decided_at = decision, now
    approval.decided_by_id = by.subject_id
    approval.in_place_of_id = in_place_of.subject_id if in_place_of else None
    approval.save(update_fields=["decision", "decided_at", "decided_by", "in_place_of"])
    _record(approval, by, f"accounts.approval-{decision}", now)


def _record(approval: Approval, by: User, verb: str, now: datetime) -> None:
    facts: dict[str, Any] = {"what": approval.what, "digest": approval.digest}
    if approval.in_place_of_id:
        facts["in_place_of"] = str(approval.in_place_of_id)
    record(
        actor=staff(by.pk),
        verb=verb,
        now=now,
        object=approval,
        subject_id=approval.about_id,
        facts=facts,
    )
