"""The steps of an erasure: what one holding has to lose of a batch of people, bite by bite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, ForeignKey, Model, QuerySet
from psycopg import sql

from datamap import registry
from datamap.counting import present
from datamap.holding import Erasing, Holding
from retention import removal
from retention.dependents import ERASING, dependents
from retention.models import ErasureStep
from retention.pace import Watch


def left_rows(holding: Holding, subject_ids: Sequence[UUID]) -> QuerySet[Model]:
    """Rows that are these people's and still have to go."""
    return holding.rows_to_erase(list(subject_ids))


def left_shares(holding: Holding, path: str, subject_ids: Sequence[UUID]) -> QuerySet[Model]:
    """Rows that are somebody else's and still name one of these people at the end of `path`."""
    if holding.erasing is Erasing.KEEP:
        return holding.rows().none()
    return holding.rows().filter(**{f"{path}__in": list(subject_ids)})


def share_column(holding: Holding, path: str) -> str | None:
    """The column to empty for a person who only shares a row; None when there is none."""
    if "__" in path or path == "pk":
        return None
    field = holding.model_class._meta.get_field(path)
    return field.column if isinstance(field, ForeignKey) and field.null else None


def bite(
    holding: Holding, *, erasures: Mapping[UUID, UUID], size: int, watch: Watch | None = None
) -> int:
    """Take up to `size` rows of these people, in the caller's transaction; how many it took.

    erasures: subject → erasure. The counts of the steps grow with it. watch: told when the
    holding's own rows are chosen, which takes as long for few of somebody's many rows as for more.
    """
    taken = _bite_own(holding, erasures=erasures, size=size, watch=watch)
    for path in holding.also:
        taken += _bite_shares(holding, path, erasures=erasures, size=size)
    return taken


def left_of(holding: Holding, subject_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The verification's question to one holding: who has how many rows left."""
    left: Counter[UUID] = Counter()
    for subject in _whose(left_rows(holding, subject_ids), holding.subject):
        left[subject] += 1
    for path in holding.also:
        for subject in _whose(left_shares(holding, path, subject_ids), path):
            left[subject] += 1
    return dict(left)


def unfinished(subject_ids: Sequence[UUID]) -> set[str]:
    """The keys of holdings that still have something to lose of these people; one query."""
    selections = []
    for holding in registry.holdings():
        selections.append((holding.key, left_rows(holding, subject_ids)))
        selections += [(holding.key, left_shares(holding, p, subject_ids)) for p in holding.also]
    return present(selections)


def _whose(rows: QuerySet[Model], path: str) -> QuerySet[Model, UUID]:
    """Distinct subjects of rows."""
    found: Any = rows.order_by().annotate(whose=F(path)).values_list("whose", flat=True).distinct()
    return found  # type: ignore[no-any-return]  # typed by the annotation above, unseen by stubs


def _bite_own(
    holding: Holding, *, erasures: Mapping[UUID, UUID], size: int, watch: Watch | None
) -> int:
    rows = left_rows(holding, list(erasures)).annotate(whose=F(holding.subject))
    picked = removal.pick(rows.order_by("pk").values_list("pk", "whose")[:size], wait=True)
    if watch is not None:
        watch.chosen()
    if not picked:
        return 0
    ids = [pk for pk, _ in picked]
    if holding.outside is not None:
        holding.outside(ids)
    if holding.erasing is Erasing.ANONYMISE:
        removal.blank(holding, ids)
    else:
        along = dependents(holding.model_class, ERASING)
        removal.delete(holding.model_class, ids, along=along)
    _count(holding, whose=[subject for _, subject in picked], erasures=erasures)
    return len(picked)


def _bite_shares(holding: Holding, path: str, *, erasures: Mapping[UUID, UUID], size: int) -> int:
    column = share_column(holding, path)
    if column is None:
        return 0  # a system check has said so; the verification will not pass
    rows = left_shares(holding, path, list(erasures)).annotate(whose=F(path))
    picked = removal.pick(rows.order_by("pk").values_list("pk", "whose")[:size], wait=True)
    if picked:
        removal.let_go(holding.model_class, column, [pk for pk, _ in picked])
        _count(holding, whose=[subject for _, subject in picked], erasures=erasures)
    return len(picked)


def _count(holding: Holding, *, whose: Sequence[UUID], erasures: Mapping[UUID, UUID]) -> None:
    counted = Counter(whose)
    table = sql.Identifier(ErasureStep._meta.db_table)
    statement = sql.SQL(
        "UPDATE {table} SET rows = {table}.rows + new.rows"
        " FROM unnest(%s::uuid[], %s::bigint[]) AS new (erasure, rows)"
        " WHERE {table}.erasure_id = new.erasure AND {table}.holding = %s"
    ).format(table=table)
    with connection.cursor() as cursor:
        cursor.execute(
            statement.as_string(None),
            [[erasures[s] for s in counted], list(counted.values()), holding.key],
        )
