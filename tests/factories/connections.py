"""People who asked, agreed and blocked."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from accounts import connections
from accounts.models import Connection
from audit.log import SYSTEM, person
from tests.factories.accounts import member


def connected(one_id: UUID, other_id: UUID, *, now: datetime) -> Connection:
    """The connection of two people."""
    return connections.connect(
        one_id=one_id, other_id=other_id, because_of="test", actor=SYSTEM, now=now
    )


def asks(asker_id: UUID, asked_id: UUID, *, now: datetime) -> connections.Asked:
    """What asking led to."""
    return connections.ask(asker_id=asker_id, asked_id=asked_id, actor=person(asker_id), now=now)


def some_connections(subject_id: UUID, *, now: datetime) -> None:
    """One of everything: a connection, a question in each direction, a block."""
    if connections.blocks_of(subject_id).exists():
        return
    names = ("Ada", "Kim", "Maxine", "Theodora")
    ada, kim, maxine, theo = (member(first_name=name, now=now).subject_id for name in names)
    connected(subject_id, ada, now=now)
    asks(kim, subject_id, now=now)
    asks(subject_id, maxine, now=now)
    connections.block(blocker_id=subject_id, blocked_id=theo, actor=SYSTEM, now=now)
