"""What stands between two people, as far as one of them may know: for the buttons on a page."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from accounts.models import Block, Connection, ConnectionRequest


@dataclass(frozen=True)
class Relation:
    """What stands between a person and another, as far as the person may know. Each is the handle
    of a row, or empty.
    """

    connection: str = ""
    asked_me: str = ""
    asked_by_me: str = ""
    blocked_by_me: str = ""


def relation(*, subject_id: UUID, other_id: UUID) -> Relation:
    """What this person may know about themselves and the other; three queries."""
    between = Q(asker_id=subject_id, asked_id=other_id) | Q(asker_id=other_id, asked_id=subject_id)
    connection = Connection.objects.filter(between).first()
    request = ConnectionRequest.objects.filter(between).first()
    mine = request is not None and request.asker_id == subject_id
    if request is not None and (request.withdrawn_at if mine else request.declined_at):
        request = None
    blocked = Block.objects.filter(blocker_id=subject_id, blocked_id=other_id).first()
    return Relation(
        connection=connection.handle if connection else "",
        asked_me=request.handle if request and not mine else "",
        asked_by_me=request.handle if request and mine else "",
        blocked_by_me=blocked.handle if blocked else "",
    )
