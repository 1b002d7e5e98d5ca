"""Connections between people: asked, agreed to, ended; and blocks.

The danger is that somebody is pestered, or learns what another decided about them. So:

- Whoever asked is not told of a no. The question stays, out of sight of the one who gave it, until
  a retention rule ends it; asking again meanwhile reaches nobody.
- A block ends the connection and every question between two people, and says nothing: for who is
  blocked the other is as unknown as somebody who never was here (`NotPossible` for both).
- Two who ask each other are connected, also when they ask in the same instant: every change
  between two people holds both their rows, in the order of their ids.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import Model, Q, QuerySet

from accounts.models import Block, Connection, ConnectionRequest, User
from audit.log import Actor, record
from audit.models import AuditEntry
from audit.movements import Reason, because
from consent import ledger
from consent.ledger import Shown
from datamap.models import Subject
from policy import current
from policy.document import Document

POINT: Final = "connections"  # the policy's collection point that lets people connect
MOST_OPEN: Final = 50  # questions of one person that wait for an answer
MOST_A_DAY: Final = 30  # questions of one person, taken back ones included


Row = TypeVar("Row", Connection, ConnectionRequest)


class NotPossible(LookupError):
    """Nobody is there to connect with: unknown, closed, blocked, oneself; all the same."""


class BlockedByYou(Exception):
    """The person blocked the other: that has to be lifted first."""


class TooMany(Exception):
    """The person asked too many people; `most` may wait, or be asked on one day."""

    def __init__(self, *, most: int) -> None:
        self.most = most
        super().__init__(f"at most {most}")


class Asked(enum.Enum):
    """What asking led to."""

    WAITING = "waiting"
    CONNECTED = "connected"


# Questions --------------------------------------------------------------------------------------


def offered(document: Document) -> bool:
    """Whether people connect with each other under this policy."""
    return document.collection_point(POINT) is not None


def connected_with(*, subject_ids: Collection[UUID], viewer_id: UUID) -> set[UUID]:
    """Which of these people the viewer is connected with; one query."""
    return _others(Connection.objects.all(), "asker_id", "asked_id", subject_ids, viewer_id)


def blocked_between(*, subject_ids: Collection[UUID], viewer_id: UUID) -> set[UUID]:
    """Which of these people blocked the viewer or are blocked by them; one query."""
    return _others(Block.objects.all(), "blocker_id", "blocked_id", subject_ids, viewer_id)


def connections_of(subject_id: UUID) -> QuerySet[Connection]:
    """A person's connections, newest first, with both people."""
    rows = Connection.objects.filter(Q(asker_id=subject_id) | Q(asked_id=subject_id))
    return rows.order_by("-since", "-pk")


def waiting_for(subject_id: UUID) -> QuerySet[ConnectionRequest]:
    """Questions that wait for this person's answer, newest first; none from people gone away."""
    rows = ConnectionRequest.objects.filter(asked_id=subject_id, declined_at__isnull=True)
    there = rows.filter(asker__locked=False, asker__erased_at__isnull=True)
    return there.order_by("-asked_at", "-pk")


def asked_by(subject_id: UUID) -> QuerySet[ConnectionRequest]:
    """What this person asked and got no yes to, newest first, whether there was a no or not."""
    rows = ConnectionRequest.objects.filter(asker_id=subject_id, withdrawn_at__isnull=True)
    return rows.order_by("-asked_at", "-pk")


def blocks_of(subject_id: UUID) -> QuerySet[Block]:
    """Whom this person blocked, newest first."""
    rows = Block.objects.filter(blocker_id=subject_id, blocked__isnull=False)
    return rows.order_by("-since", "-pk")


def other_end(*, subject_id: UUID, handle: str) -> UUID:
    """The other person of a connection of one's own, or of a question that waits for one.

    Raises `NotPossible`.
    """
    ours = Connection.objects.filter(Q(asker_id=subject_id) | Q(asked_id=subject_id))
    asked = waiting_for(subject_id).filter(handle=handle)
    for rows in (ours.filter(handle=handle), asked):
        for one, other in rows.values_list("asker_id", "asked_id"):
            return other if one == subject_id else one
    raise NotPossible


# Acts -------------------------------------------------------------------------------------------


def ask(*, asker_id: UUID, asked_id: UUID, actor: Actor, now: datetime) -> Asked:
    """Ask somebody to be connected, or agree when they asked before.

    Asking twice changes nothing. Raises `NotPossible`, `BlockedByYou`, `TooMany`.
    """
    with transaction.atomic():
        _check(asker_id, asked_id)
        if not offered(current.fresh(now).document):
            raise NotPossible
        if _connection(asker_id, asked_id) is not None:
            return Asked.CONNECTED
        request = _requests_between(asker_id, asked_id).first()
        if request is not None and request.asker_id == asked_id and request.withdrawn_at is None:
            _agree(request, actor=actor, now=now)
            return Asked.CONNECTED
        if request is None or request.withdrawn_at is not None:
            _check_limits(asker_id, now)
            _ask(request, asker_id, asked_id, actor=actor, now=now)
    return Asked.WAITING


def accept(*, asked_id: UUID, handle: str, actor: Actor, now: datetime) -> Connection:
    """Agree to a question. Raises `NotPossible`: gone, another's, declined, blocked meanwhile."""
    rows = ConnectionRequest.objects.filter(asked_id=asked_id, declined_at__isnull=True)
    with transaction.atomic():
        request = _held(rows, handle)
        _check(asked_id, request.asker_id)
        return _agree(request, actor=actor, now=now)


def decline(*, asked_id: UUID, handle: str, actor: Actor, now: datetime) -> None:
    """Say no; whoever asked is not told. Raises `NotPossible`."""
    rows = ConnectionRequest.objects.filter(asked_id=asked_id, declined_at__isnull=True)
    with transaction.atomic():
        request = _held(rows, handle)
        rows.filter(pk=request.pk).update(declined_at=now)
        _record("accounts.connection-declined", asked_id, request, actor=actor, now=now)


def withdraw(*, asker_id: UUID, handle: str, actor: Actor, now: datetime) -> None:
    """Take a question back. One that was declined stays, unseen, so that asking again reaches
    nobody. Raises `NotPossible`.
    """
    rows = ConnectionRequest.objects.filter(asker_id=asker_id, withdrawn_at__isnull=True)
    with transaction.atomic():
        request = _held(rows, handle)
        _record("accounts.connection-withdrawn", asker_id, request, actor=actor, now=now)
        if request.declined_at is None:
            request.delete()
        else:
            rows.filter(pk=request.pk).update(withdrawn_at=now)


def end(*, subject_id: UUID, handle: str, actor: Actor, now: datetime) -> None:
    """End one of one's connections; the other is not told. Raises `NotPossible`."""
    rows = Connection.objects.filter(Q(asker_id=subject_id) | Q(asked_id=subject_id))
    with transaction.atomic():
        connection = _held(rows, handle)
        _end(connection, subject_id, actor=actor, now=now)


def connect(
    *, one_id: UUID, other_id: UUID, because_of: str, actor: Actor, now: datetime
) -> Connection:
    """Connect two people who agreed elsewhere: `one_id` asked (sent the invitation), `other_id`
    agreed. What they asked each other before is answered with it.

    because_of: a short key for the log, `invitation`. Raises `NotPossible`, also when either
    blocked the other.
    """
    with transaction.atomic():
        _check(one_id, other_id, quietly=True)
        found = _connection(one_id, other_id)
        if found is not None:
            return found
        _requests_between(one_id, other_id).delete()
        connection = Connection.objects.create(asker_id=one_id, asked_id=other_id, since=now)
        _record(
            "accounts.connected", other_id, connection, actor=actor, now=now, because=because_of
        )
    return connection


def block(*, blocker_id: UUID, blocked_id: UUID, actor: Actor, now: datetime) -> Block:
    """Want nothing to do with somebody: their connection and questions end with it.

    Blocking twice changes nothing. Raises `NotPossible` for oneself and for people gone away.
    """
    if blocker_id == blocked_id:
        raise NotPossible
    with transaction.atomic():
        people = _lock(blocker_id, blocked_id)
        if blocked_id not in people or people[blocked_id].erased_at is not None:
            raise NotPossible
        block, made = Block.objects.get_or_create(
            blocker_id=blocker_id, blocked_id=blocked_id, defaults={"since": now}
        )
        if made:
            connection = _connection(blocker_id, blocked_id)
            if connection is not None:
                _end(connection, blocker_id, actor=actor, now=now)
            requests = _requests_between(blocker_id, blocked_id)
            # What the other said no to stays a no, or blocking would be a way round it.
            declined = requests.filter(asker_id=blocker_id, declined_at__isnull=False)
            declined.update(withdrawn_at=now)
            requests.filter(withdrawn_at__isnull=True).delete()
            _record("accounts.blocked", blocker_id, block, actor=actor, now=now)
    return block


def unblock(*, blocker_id: UUID, handle: str, actor: Actor, now: datetime) -> None:
    """Lift a block; nothing that it ended comes back. Raises `NotPossible`."""
    with transaction.atomic():
        rows = Block.objects.filter(blocker_id=blocker_id, blocked__isnull=False)
        found = rows.select_for_update(no_key=True).filter(handle=handle).first()
        if found is None:
            raise NotPossible
        _record("accounts.unblocked", blocker_id, found, actor=actor, now=now)
        found.delete()


def drop_empty_blocks() -> int:
    """Delete blocks of people who were erased since; how many."""
    return Block.objects.filter(blocked__isnull=True).delete()[0]


# Below ------------------------------------------------------------------------------------------


def _others(
    rows: QuerySet[Any], one: str, other: str, subject_ids: Collection[UUID], viewer_id: UUID
) -> set[UUID]:
    """The other ends of the viewer's rows, as far as they are among these people."""
    if not subject_ids:
        return set()
    wanted = list(subject_ids)
    found: Iterable[Any] = rows.filter(
        Q(**{one: viewer_id, f"{other}__in": wanted})
        | Q(**{other: viewer_id, f"{one}__in": wanted})
    ).values_list(one, other)
    return {b if a == viewer_id else a for a, b in found}


def _lock(*subject_ids: UUID) -> dict[UUID, Subject]:
    """These people's rows, held until the transaction ends, always in the same order."""
    rows = Subject.objects.select_for_update(no_key=True).filter(pk__in=subject_ids)
    return {subject.pk: subject for subject in rows.order_by("pk")}


def _check(actor_id: UUID, other_id: UUID, *, quietly: bool = False) -> None:
    """Hold both people, and make sure that they may be connected.

    quietly: a block of one's own is not told either. Raises `NotPossible`, `BlockedByYou`.
    """
    people = _lock(actor_id, other_id)
    there = User.objects.filter(subject__in=people, is_active=True, unconfirmed_since__isnull=True)
    if actor_id == other_id or there.count() != 2:
        raise NotPossible
    if any(p.locked or p.restricted or p.erased_at is not None for p in people.values()):
        raise NotPossible
    blocks = Block.objects.filter(blocker__in=people, blocked__in=people)
    blockers = set(blocks.values_list("blocker_id", flat=True))
    if actor_id in blockers and not quietly:
        raise BlockedByYou
    if blockers:
        raise NotPossible


def _held(rows: QuerySet[Row], handle: str) -> Row:
    """One of these rows with both its people held, as it is then. Raises `NotPossible`."""
    mine = rows.filter(handle=handle)
    found = mine.first()
    if found is not None:
        _lock(found.asker_id, found.asked_id)
        found = mine.first()
    if found is None:
        raise NotPossible
    return found


def _ask(
    before: ConnectionRequest | None, asker_id: UUID, asked_id: UUID, *, actor: Actor, now: datetime
) -> None:
    """Write the question down. `before`: one of these two that was declined and then taken back;
    a no that was said to this very person stays.
    """
    again = before is not None and before.asker_id == asker_id
    request = before or ConnectionRequest()
    request.asker_id, request.asked_id = asker_id, asked_id
    request.asked_at, request.withdrawn_at = now, None
    request.declined_at = request.declined_at if again else None
    _submit(asker_id, "accounts.connection_request.asked", actor=actor, now=now)
    request.save()
    _record("accounts.connection-asked", asker_id, request, actor=actor, now=now)


def _check_limits(asker_id: UUID, now: datetime) -> None:
    """Raises `TooMany`. A day's questions are counted in the log: those taken back count, too."""
    if asked_by(asker_id).count() >= MOST_OPEN:
        raise TooMany(most=MOST_OPEN)
    asked = AuditEntry.objects.filter(
        subject_id=asker_id, verb="accounts.connection-asked", at__gt=now - timedelta(days=1)
    )
    if asked.count() >= MOST_A_DAY:
        raise TooMany(most=MOST_A_DAY)


def _agree(request: ConnectionRequest, *, actor: Actor, now: datetime) -> Connection:
    """Make a connection of a question, by whoever was asked."""
    _submit(request.asked_id, "accounts.connection_agreed.asker", actor=actor, now=now)
    request.delete()
    connection = Connection.objects.create(
        asker_id=request.asker_id, asked_id=request.asked_id, since=now
    )
    _record("accounts.connected", request.asked_id, connection, actor=actor, now=now)
    return connection


def _submit(subject_id: UUID, field: str, *, actor: Actor, now: datetime) -> None:
    """The person's event of handing this over (WD-5), under a policy that still has the point."""
    point = current.fresh(now).document.collection_point(POINT)
    if point is not None:
        ledger.submit(
            subject_id=subject_id,
            point=POINT,
            fields={field},
            shown=Shown(point.notice, surface="connections"),
            actor=actor,
            now=now,
        )


def _end(connection: Connection, subject_id: UUID, *, actor: Actor, now: datetime) -> None:
    entry = _record("accounts.connection-ended", subject_id, connection, actor=actor, now=now)
    with because(Reason.OWNER, refs=[entry.pk], subjects=[subject_id]):
        connection.delete()


def _connection(one_id: UUID, other_id: UUID) -> Connection | None:
    return Connection.objects.filter(_between(one_id, other_id)).first()


def _requests_between(one_id: UUID, other_id: UUID) -> QuerySet[ConnectionRequest]:
    return ConnectionRequest.objects.filter(_between(one_id, other_id))


def _between(one_id: UUID, other_id: UUID) -> Q:
    return Q(asker_id=one_id, asked_id=other_id) | Q(asker_id=other_id, asked_id=one_id)


def _record(
    verb: str, subject_id: UUID, about: Model, *, actor: Actor, now: datetime, **facts: str
) -> AuditEntry:
    """The entry in the log of the one who acted; the other is named by the row alone."""
    return record(actor=actor, verb=verb, now=now, object=about, subject_id=subject_id, facts=facts)
