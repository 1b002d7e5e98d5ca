"""Which rows one range of a rule is about, and what there is of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Model, Q, QuerySet

from audit.append_only import expiries
from datamap.holding import Erasing, Holding
from retention.models import Erasure, SweepStep
from retention.rules import Due

# A place in the order of clock and key.
Place = tuple[datetime, Any]


def due_rows(holding: Holding, due: Due | SweepStep) -> QuerySet[Model]:
    """The rows one range is about, treated ones left out; without an order."""
    column = holding.clocks[due.clock]
    rows = holding.rows().filter(**{f"{column}__lte": due.until}, **holding.due)
    if due.since is not None:
        rows = rows.filter(**{f"{column}__gte": due.since})
    expiry = expiries().get(holding.model_class)
    if expiry is not None and expiry.blanks:
        return rows.exclude(facts={"expired": True})
    if due.action == "anonymise" or (
        due.action == "erase" and holding.erasing is Erasing.ANONYMISE
    ):
        rows = rows.filter(_not_blank(holding))
    if due.action == "erase":
        under_way = Erasure.objects.filter(state__in=Erasure.OPEN).values("subject_id")
        rows = rows.exclude(**{f"{holding.subject}__in": under_way})
        if holding.spare:
            rows = rows.exclude(**holding.spare)
    return rows


def next_rows(
    holding: Holding, due: Due | SweepStep, *, after: Place | None, size: int
) -> QuerySet[Any, Any]:
    """Key and clock of the next `size` rows, oldest first, from where the last chunk ended."""
    column = holding.clocks[due.clock]
    rows = due_rows(holding, due)
    if after is not None:
        # Both conditions, so that the index on the clock starts where the last chunk ended.
        later = Q(**{f"{column}__gt": after[0]}) | Q(pk__gt=after[1])
        rows = rows.filter(later, **{f"{column}__gte": after[0]})
    chunk: QuerySet[Any, Any] = rows.order_by(column, "pk").values_list("pk", column)[:size]
    return chunk


def _not_blank(holding: Holding) -> Q:
    """At least one blank is still to be written."""
    left = Q()
    for name, value in _plain_blanks(holding):
        done = {f"{name}__isnull": True} if value is None else {name: value}
        left |= ~Q(**done)
    return left


def _plain_blanks(holding: Holding) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in holding.blank.items() if not callable(value))
