"""Names of people who made themselves known to somebody by an act: asked, agreed, told a fact.

The page beside the act says that the other will see one's name. So for these rows, and only for
them, somebody of whom a member may see nothing shows what a connection may see of their name. What
that is decides `accounts.visibility` alone; after a block, or a lock, it is nothing again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Q

from accounts.models import Block
from accounts.visibility import Reach, Viewer, reaches, rows, show

NAME: Final = ("first_name", "last_name")


@dataclass(frozen=True)
class Known:
    """name: empty where none may be seen. handle: of their page, empty where they show none."""

    name: str = ""
    handle: str = ""


NOBODY: Final = Known()


def names(*, people: Collection[UUID | None], to: UUID, now: datetime) -> dict[UUID, Known]:
    """Person → what `to` may know them by; in as many queries for one as for many."""
    wanted = {each for each in people if each is not None}
    if not wanted:
        return {}
    profiles = rows(Q(subject_id__in=wanted))
    near = reaches(owners=wanted, viewer=Viewer(to))
    by_act = {
        each: Reach.CONNECTION if reach is Reach.MEMBER else reach for each, reach in near.items()
    }
    paged = {s.subject_id for s in show(profiles, near, now=now, only=(*NAME, "photo")) if s}
    return {
        s.subject_id: Known(s.name, s.handle if s.subject_id in paged else "")
        for s in show(profiles, by_act, now=now, only=NAME)
    }


def blocked_names(*, people: Collection[UUID | None], by: UUID, now: datetime) -> dict[UUID, Known]:
    """Person → their name, for the list of whom one blocked, or nobody could lift a block again.

    As members see it; of somebody who blocked back, as little as a visitor. Without their page.
    """
    wanted = {each for each in people if each is not None}
    if not wanted:
        return {}
    back = Block.objects.filter(blocker_id__in=wanted, blocked_id=by)
    blocked_back = set(back.values_list("blocker_id", flat=True))
    near = {each: Reach.VISITOR if each in blocked_back else Reach.MEMBER for each in wanted}
    profiles = rows(Q(subject_id__in=wanted))
    return {s.subject_id: Known(s.name) for s in show(profiles, near, now=now, only=NAME)}
