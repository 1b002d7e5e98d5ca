"""Which state a request may go to from which; every move is one conditional update.

The update's row count decides: of two people who move a request at the same instant one wins and
the other gets `WrongState`, so no lock has to be remembered by a caller.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from requests.models import Request

S = Request.State

MOVES: Final[dict[str, frozenset[str]]] = {
    S.RECEIVED: frozenset({S.VERIFYING, S.IN_REVIEW, S.WITHDRAWN, S.EXPIRED, S.COMPLETED}),
    S.VERIFYING: frozenset({S.IN_REVIEW, S.WITHDRAWN, S.EXPIRED, S.COMPLETED}),
    S.IN_REVIEW: frozenset({S.APPROVED, S.DENIED, S.WITHDRAWN, S.EXPIRED, S.COMPLETED}),
    S.APPROVED: frozenset({S.IN_PROGRESS, S.WITHDRAWN, S.EXPIRED, S.COMPLETED}),
    S.IN_PROGRESS: frozenset({S.EXPIRED, S.COMPLETED}),
    S.COMPLETED: frozenset(),
    S.DENIED: frozenset(),
    S.WITHDRAWN: frozenset(),
    S.EXPIRED: frozenset(),
}


class WrongState(Exception):
    """The request is not where this move starts; `found` is its state, `wanted` the goal."""

    def __init__(self, *, request_id: UUID, found: str, wanted: str) -> None:
        self.request_id = request_id
        self.found = found
        self.wanted = wanted
        super().__init__(f"request {request_id} is {found}, it can't become {wanted}")


def may_become(*, state: str, to: str) -> bool:
    """Whether the table allows this move."""
    return to in MOVES[state]


def move(*, request_id: UUID, to: str, only_from: Iterable[str] = (), **changes: Any) -> None:
    """Move a request and write `changes` in the same update.

    only_from: narrows the table's sources for this move. Raises `WrongState` when the request is
    elsewhere, and `Request.DoesNotExist`.
    """
    sources = {state for state, goals in MOVES.items() if to in goals}
    if only_from:
        sources &= set(only_from)
    moved = Request.objects.filter(pk=request_id, state__in=sources).update(state=to, **changes)
    if moved != 1:
        found = Request.objects.values_list("state", flat=True).get(pk=request_id)
        raise WrongState(request_id=request_id, found=found, wanted=to)
