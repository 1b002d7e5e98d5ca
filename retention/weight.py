"""How heavy a table's rows are to remove, as Postgres last measured them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import connection
from django.db.models import Model

from retention.dependents import Dependent

NARROW = 2000  # bytes; a row this wide counts double


def weight(model: type[Model], along: Sequence[Dependent] = ()) -> float:
    """1 for a bare narrow row; more with its width, wide values included, and with the average
    number of rows that go along. One query over statistics, which may be old: a start.
    """
    tables = [model._meta.db_table, *(d.model._meta.db_table for d in _all(along))]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regclass::text, reltuples, pg_table_size(oid) FROM pg_class"
            " WHERE oid = ANY(%s::regclass[])",
            [[f'"{table}"' for table in tables]],
        )
        known = {name.strip('"'): (rows, size) for name, rows, size in cursor.fetchall()}
    rows, size = known.get(tables[0], (0, 0))
    if rows < 1:
        return 1.0
    with_it = sum(max(known.get(table, (0, 0))[0], 0) for table in tables[1:]) / rows
    return float(1 + size / rows / NARROW + with_it)


def _all(along: Iterable[Dependent]) -> Iterable[Dependent]:
    for dependent in along:
        if not dependent.lets_go:
            yield dependent
            yield from _all(dependent.below)
