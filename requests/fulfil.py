"""How requests are carried out, kind by kind: the one list of what an approval sets off."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.dispatch import receiver

from requests import deletion
from requests.copies import Copies
from requests.deletion import Deletion
from requests.handling import Handling
from retention.signals import cancelled, erased

HANDLINGS: Final[tuple[Handling, ...]] = (Deletion(), Copies())
_OF_KIND: Final = {kind: handling for handling in HANDLINGS for kind in handling.kinds}


class NotHandled(LookupError):
    """Nobody can ask for this `kind` here."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(f"requests of the kind {kind!r} can't be opened")


def of(kind: str) -> Handling:
    """What makes this kind of request different. Raises `NotHandled`."""
    try:
        return _OF_KIND[kind]
    except KeyError:
        raise NotHandled(kind) from None


def handled() -> tuple[str, ...]:
    """The kinds of requests that can be opened."""
    return tuple(_OF_KIND)


@receiver(erased, dispatch_uid="requests.complete")
def complete(*, subject_id: UUID, erasure_id: UUID, at: datetime, **kwargs: Any) -> None:
    """A person was erased, so their open requests end: by that, or because nobody is left to ask.

    Runs in the erasure's last transaction, after verification, so the two can't disagree.
    """
    with transaction.atomic():
        for handling in HANDLINGS:
            handling.overtake(subject_id=subject_id, erasure_id=erasure_id, at=at)


@receiver(cancelled, dispatch_uid="requests.set-off-again")
def set_off_again(*, subject_id: UUID, erasure_id: UUID, at: datetime, **kwargs: Any) -> None:
    """An erasure was cancelled by another room: an approved request may rest on it."""
    deletion.set_off_again(subject_id=subject_id, erasure_id=erasure_id, at=at)


def follow(*, now: datetime) -> int:
    """Note of approved requests whose erasure has begun that it has; returns how many."""
    return deletion.follow(now=now)
