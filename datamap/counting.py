"""How much there is of several kinds of data, or whether there is any, asked in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Count, QuerySet, Value


def count(selections: Mapping[str, QuerySet[Any]]) -> dict[str, int]:
    """Key → how many rows its selection has; keys without any are left out. One query."""
    parts = [_counted(key, rows) for key, rows in selections.items()]
    if not parts:
        return {}
    rows = parts[0].union(*parts[1:], all=True)
    return {row["key_of"]: row["n"] for row in rows if row["n"]}


def present(selections: Iterable[tuple[str, QuerySet[Any]]]) -> set[str]:
    """The keys of which at least one selection has a row. One query, none of which reads on."""
    parts = [rows.order_by().values(key_of=Value(key))[:1] for key, rows in selections]
    if not parts:
        return set()
    return {row["key_of"] for row in parts[0].union(*parts[1:], all=True)}


def _counted(key: str, rows: QuerySet[Any]) -> QuerySet[Any, dict[str, Any]]:
    counted: QuerySet[Any, dict[str, Any]] = (
        rows.order_by().values(key_of=Value(key)).annotate(n=Count("pk"))
    )
    return counted
