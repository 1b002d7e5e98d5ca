"""What kinds of data we hold about somebody, in words for somebody else (16 CFR 312.6(a)(1))."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from datamap import registry
from datamap.counting import present
from policy import vocabulary


@dataclass(frozen=True)
class HeldKind:
    """One kind of data that we hold about somebody, and what is in it, in words."""

    title: str
    contents: tuple[str, ...]


def kinds(*, subject_id: UUID) -> list[HeldKind]:
    """What kinds of data we hold about a child, the question to the parent left out; one query."""
    holdings = registry.holdings()
    found = present((h.key, h.rows_of([subject_id])) for h in holdings)
    shown = [h for h in holdings if h.key in found and h.key != "accounts.guardianship"]
    return [
        HeldKind(
            vocabulary.staff_title(h.key),
            tuple(dict.fromkeys(vocabulary.category(p.category) for p in h.personal)),
        )
        for h in shown
    ]
