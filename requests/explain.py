"""What is held about a person, what an erasure takes, what stays and why; read off the data map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.correctable import open_holdings
from datamap.counting import count
from datamap.holding import Erasing
from datamap.registry import holdings
from datamap.same_person import same_person
from policy import datapage, vocabulary
from policy.datapage import HoldingEntry
from policy.document import Document


@dataclass(frozen=True)
class Kept:
    """A ground on which something outlives an erasure, and for each such thing until when."""

    ground: str
    text: str
    things: list[Thing]


@dataclass(frozen=True)
class Thing:
    """A kind of data that stays, and its end in words."""

    title: str
    until: str


@dataclass(frozen=True)
class Outcome:
    """What an erasure does. gone: deleted; emptied: the row stays, nothing about you in it."""

    gone: list[str]
    emptied: list[str]
    kept: list[Kept]


@dataclass(frozen=True)
class Held:
    """One kind of data held about a person: how many rows, what is in them, why, until when.

    correctable: its owner can change or remove something of it.
    """

    title: str
    correctable: bool
    rows: int
    categories: list[str]
    sources: list[str]
    purposes: list[str]
    periods: list[str]


def outcome(*, document: Document, rows: Mapping[str, int] | None = None) -> Outcome:
    """What erasing one person means under this policy.

    rows: holding key → how much there is, from `count_rows`; leaves out what there is none of.
    """
    by_way: dict[Erasing, list[HoldingEntry]] = {way: [] for way in Erasing}
    for entry in datapage.entries(document):
        if rows is None or rows.get(entry.holding.key):
            by_way[entry.holding.erasing].append(entry)
    return Outcome(
        gone=[str(entry.holding.title) for entry in by_way[Erasing.DELETE]],
        emptied=[str(entry.holding.title) for entry in by_way[Erasing.ANONYMISE]],
        kept=_by_ground(by_way[Erasing.KEEP]),
    )


def held_about(*, subject_id: UUID, document: Document) -> list[Held]:
    """Every kind of data with how much of it there is about this person; two queries."""
    rows = count_rows(subject_id=subject_id)
    correctable = open_holdings()
    return [
        Held(
            title=str(entry.holding.title),
            correctable=entry.holding in correctable,
            rows=rows.get(entry.holding.key, 0),
            categories=_unique(field.category for field in entry.fields),
            sources=_unique(field.source for field in entry.fields),
            purposes=_purposes(entry),
            periods=_periods(entry),
        )
        for entry in datapage.entries(document)
    ]


def count_rows(*, subject_id: UUID) -> dict[str, int]:
    """Holding key → rows about this person, in one statement over all tables, and one before that
    finds out whether they have another subject.
    """
    subject_ids = same_person(subject_id)
    return count({holding.key: holding.rows_of(subject_ids) for holding in holdings()})


def _by_ground(entries: list[HoldingEntry]) -> list[Kept]:
    found: dict[str, Kept] = {}
    for entry in entries:
        ground = entry.ground
        kept = found.setdefault(
            entry.holding.ground,
            Kept(ground.title if ground else "", ground.text if ground else "", []),
        )
        kept.things.append(Thing(str(entry.holding.title), " ".join(_periods(entry))))
    return list(found.values())


def _purposes(entry: HoldingEntry) -> list[str]:
    if entry.purposes or entry.ground is None:
        return [purpose.title for purpose in entry.purposes]
    return [entry.ground.title]


def _periods(entry: HoldingEntry) -> list[str]:
    if entry.rules:
        return [rule.text for rule in entry.rules]
    if entry.holding.erasing is not Erasing.KEEP:
        return [_("As long as you have an account.")]
    if entry.ground is None:
        return []
    return [_("At most %(period)s.") % {"period": vocabulary.period(entry.ground.maximum)}]


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
