"""What is held about a person, what an erasure takes, what stays and why; read off the data map."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet, Value
from django.utils.translation import gettext as _

from datamap.holding import Erasing, Holding, Source
from datamap.registry import holdings
from policy.document import Document, Ground


@dataclass(frozen=True)
class Kept:
    """Something that outlives an erasure: what, on which ground, until when."""

    title: str
    ground: str
    text: str
    until: str


@dataclass(frozen=True)
class Outcome:
    """What an erasure does. gone: deleted; emptied: the row stays, nothing about you in it."""

    gone: list[str]
    emptied: list[str]
    kept: list[Kept]


@dataclass(frozen=True)
class Held:
    """One kind of data held about a person: how many rows, what is in them, why, until when."""

    key: str
    title: str
    rows: int
    categories: list[str]
    sources: list[str]
    purposes: list[str]
    periods: list[str]


def outcome(*, document: Document) -> Outcome:
    """What erasing one person means under this policy."""
    by_way: dict[Erasing, list[Holding]] = {way: [] for way in Erasing}
    for holding in holdings():
        by_way[holding.erasing].append(holding)
    return Outcome(
        gone=_titles(by_way[Erasing.DELETE]),
        emptied=_titles(by_way[Erasing.ANONYMISE]),
        kept=[_kept(holding, document) for holding in by_way[Erasing.KEEP]],
    )


def held_about(*, subject_id: UUID, document: Document) -> list[Held]:
    """Every kind of data with how much of it there is about this person; one query."""
    rows = count_rows(subject_id=subject_id)
    return [
        Held(
            key=holding.key,
            title=str(holding.title),
            rows=rows.get(holding.key, 0),
            categories=_unique(category(personal.category) for personal in holding.personal),
            sources=_unique(SOURCES[personal.source]() for personal in holding.personal),
            purposes=_purposes(holding, document),
            periods=_periods(holding, document),
        )
        for holding in holdings()
    ]


def count_rows(*, subject_id: UUID) -> dict[str, int]:
    """Holding key → rows about this person, in one statement over all tables."""
    parts = [_count(holding, subject_id) for holding in holdings()]
    if not parts:
        return {}
    return {row["key_of"]: row["n"] for row in parts[0].union(*parts[1:], all=True)}


def _count(holding: Holding, subject_id: UUID) -> QuerySet[Any, dict[str, Any]]:
    rows = holding.rows_of([subject_id]).order_by()
    return rows.values(key_of=Value(holding.key)).annotate(n=Count("pk"))


def _kept(holding: Holding, document: Document) -> Kept:
    ground = ground_of(holding, document)
    return Kept(
        title=str(holding.title),
        ground=ground.title if ground else "",
        text=ground.text if ground else "",
        until=" ".join(_periods(holding, document)),
    )


def ground_of(holding: Holding, document: Document) -> Ground | None:
    """The policy's ground on which rows of this holding outlive an erasure."""
    return next((g for g in document.grounds if g.key == holding.ground), None)


def _purposes(holding: Holding, document: Document) -> list[str]:
    fields = {f"{holding.key}.{name}" for name in holding.field_names}
    named = [p.title for p in document.purposes if fields & set(p.data)]
    if named:
        return named
    by_rule = {rule.purpose for rule in document.rules_for(holding.key) if rule.purpose}
    found = [p.title for p in document.purposes if p.key in by_rule]
    if found or not holding.ground:
        return found
    ground = ground_of(holding, document)
    return [ground.title] if ground else []


def _periods(holding: Holding, document: Document) -> list[str]:
    rules = [rule.text for rule in document.rules_for(holding.key)]
    if rules:
        return rules
    if holding.erasing is Erasing.KEEP:
        ground = ground_of(holding, document)
        return [_("At most %(period)s.") % {"period": ground.maximum}] if ground else []
    return [_("As long as you have an account.")]


SOURCES = {
    Source.PERSON: lambda: _("you"),
    Source.OTHER_PERSON: lambda: _("another person"),
    Source.SITE: lambda: _("made by this site"),
    Source.OUTSIDE: lambda: _("from outside"),
}


def category(key: str) -> str:
    """A Fideslang category in words: `user.contact.email` is "contact: email"."""
    parts = [part.replace("_", " ") for part in key.split(".")[1:]]
    return ": ".join([parts[0], ", ".join(parts[1:])]) if len(parts) > 1 else "".join(parts)


def _titles(found: Iterable[Holding]) -> list[str]:
    return [str(holding.title) for holding in found]


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
