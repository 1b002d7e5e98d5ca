"""The statements that remove or empty rows: composed with psycopg.sql, never formatted.

Rows are named by the primary keys of a chunk that the caller has locked. What hangs on them goes
first, table by table, deepest first, each with `= ANY` of the chunk: about 1.7 times as fast as one
statement with everything in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Model, QuerySet
from psycopg import sql

from audit.models import AppendOnly
from datamap.holding import Holding
from retention.dependents import Dependent

# The rows come in the order of the query, so the last key is that of the last clock.
_CHOOSE = sql.SQL(
    "SELECT array_agg(key)::text, count(*), min(clock), max(clock), (array_agg(key))[count(*)]"
    " FROM ({}) AS chosen (key, clock)"
)


@dataclass
class Removed:
    """How many rows of the table went, and how many rows of which others with them."""

    rows: int = 0
    with_them: dict[str, int] = field(default_factory=dict)

    @property
    def others(self) -> int:
        """Rows of other tables."""
        return sum(self.with_them.values())


@dataclass(frozen=True)
class Chosen:
    """Rows of a chunk, locked. keys: as Postgres writes an array, or as a list of values.

    first: the earliest clock. last: clock and key of the last one, from where the next chunk goes
    on. UUIDs and numbers come and go as one text: reading each key and each clock, only to write
    the keys back, was most of what a sweep did in Python.
    """

    keys: str | list[Any]
    rows: int
    first: datetime
    last: tuple[datetime, Any]
    key: Any

    @property
    def ids(self) -> list[Any]:
        """The keys one by one, for whoever needs them so."""
        if isinstance(self.keys, list):
            return self.keys
        return [self.key.to_python(one) for one in self.keys.strip("{}").split(",")]


def choose(query: QuerySet[Any, Any]) -> Chosen | None:
    """Run a query for key and clock, in order, and lock its rows as `pick` does; None: no rows."""
    key: Any = query.model._meta.pk
    if issubclass(query.model, AppendOnly) or _type(key) not in ("uuid", "bigint", "integer"):
        rows = pick(query)
        if not rows:
            return None
        keys = [row[0] for row in rows]
        return Chosen(keys, len(keys), rows[0][1], (rows[-1][1], rows[-1][0]), key)
    locked = _locking(query)
    if locked is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(_CHOOSE.format(sql.SQL(locked[0])).as_string(None), locked[1])
        text, rows, first, latest, last = cursor.fetchone()
    return Chosen(text, rows, first, (latest, last), key) if rows else None


def pick(query: QuerySet[Any, Any], *, wait: bool = False) -> list[tuple[Any, ...]]:
    """Run a `values_list` query and lock its rows in the base table, and only there.

    Rows that somebody else has locked are left out, or with `wait` waited for. Django ignores
    `of=` on `values_list`, and locking joined rows would stop people from working. Rows of
    append-only tables can't be locked for want of rights; their functions count for themselves.
    """
    if issubclass(query.model, AppendOnly):
        return list(query)
    locked = _locking(query, wait=wait)
    if locked is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(*locked)
        return list(cursor.fetchall())


def delete(
    model: type[Model], ids: str | Sequence[Any], *, along: Sequence[Dependent] = ()
) -> Removed:
    """Delete these rows with everything that hangs on them, in the caller's transaction.

    ids: primary keys, or the array of them as Postgres writes it.
    """
    done = Removed()
    keys = ids if isinstance(ids, str) else _keys(model, ids)
    chosen = sql.SQL("{} = ANY({})").format(_pk(model), _array(model))
    for dependent in along:
        mine = _referring(dependent, parent=model, chosen=chosen, first=True)
        _delete_dependent(dependent, mine=mine, keys=keys, done=done)
    statement = sql.SQL("DELETE FROM {} WHERE {}").format(_name(model._meta.db_table), chosen)
    done.rows = _execute(statement, keys)
    return done


def blank(holding: Holding, ids: Sequence[Any]) -> Removed:
    """Write the holding's blanks over these rows, in the caller's transaction."""
    model = holding.model_class
    columns, params = [], []
    keyed = {name: value for name, value in holding.blank.items() if callable(value)}
    for name, value in holding.blank.items():
        if callable(value):
            continue
        column: Any = model._meta.get_field(name)
        columns.append(sql.SQL("{} = %s").format(_name(column.column)))
        params.append(column.get_db_prep_save(value, connection))
    chosen = sql.SQL("{} = ANY({})").format(_pk(model), _array(model))
    table = _name(model._meta.db_table)
    done = Removed()
    if columns:
        statement = sql.SQL("UPDATE {} SET {} WHERE {}").format(
            table, sql.SQL(", ").join(columns), chosen
        )
        done.rows = _execute(statement, *params, list(ids))
    for name, value in keyed.items():
        done.rows = _blank_each(model, name, [(i, value(i)) for i in ids])
    return done


def let_go(model: type[Model], column: str, ids: Sequence[Any]) -> int:
    """Empty one reference of these rows: they stay, for they are somebody else's, too."""
    statement = sql.SQL("UPDATE {} SET {} = NULL WHERE {} = ANY({})").format(
        _name(model._meta.db_table), _name(column), _pk(model), _array(model)
    )
    return _execute(statement, list(ids))


def _blank_each(model: type[Model], name: str, values: list[tuple[Any, Any]]) -> int:
    """One statement for values that differ from row to row."""
    column: Any = model._meta.get_field(name)
    kind = sql.SQL(f"%s::{_type(column)}[]")
    statement = sql.SQL(
        "UPDATE {table} SET {column} = new.value"
        " FROM unnest({ids}, {values}) AS new (id, value) WHERE {table}.{pk} = new.id"
    ).format(
        table=_name(model._meta.db_table),
        column=_name(column.column),
        ids=_array(model),
        values=kind,
        pk=_name(_column(model._meta.pk)),
    )
    return _execute(
        statement,
        [key for key, _ in values],
        [column.get_db_prep_save(value, connection) for _, value in values],
    )


def _referring(
    dependent: Dependent, *, parent: type[Model], chosen: sql.Composed, first: bool
) -> sql.Composed:
    """The condition for a table's rows that refer to the chosen rows of its parent."""
    column = _name(dependent.column)
    if first and dependent.target == _column(parent._meta.pk):
        return sql.SQL("{} = ANY({})").format(column, _array(parent))
    return sql.SQL("{} IN (SELECT {} FROM {} WHERE {})").format(
        column, _name(dependent.target), _name(parent._meta.db_table), chosen
    )


def _delete_dependent(
    dependent: Dependent, *, mine: sql.Composed, keys: str | list[Any], done: Removed
) -> None:
    table = _name(dependent.model._meta.db_table)
    if dependent.lets_go:
        statement = sql.SQL("UPDATE {} SET {} = NULL WHERE {}")
        _execute(statement.format(table, _name(dependent.column), mine), keys)
        return
    for below in dependent.below:
        deeper = _referring(below, parent=dependent.model, chosen=mine, first=False)
        _delete_dependent(below, mine=deeper, keys=keys, done=done)
    rows = _execute(sql.SQL("DELETE FROM {} WHERE {}").format(table, mine), keys)
    if rows:
        label = dependent.model._meta.label
        done.with_them[label] = done.with_them.get(label, 0) + rows


def _locking(
    query: QuerySet[Any, Any], *, wait: bool = False
) -> tuple[str, tuple[Any, ...]] | None:
    """The query with its locks, and its parameters; None when it can have no rows."""
    try:
        text, params = query.query.sql_with_params()
    except EmptyResultSet:
        return None
    tail = sql.SQL(" FOR UPDATE OF {}" + ("" if wait else " SKIP LOCKED"))
    return text + tail.format(_name(query.model._meta.db_table)).as_string(None), params


def _execute(statement: sql.Composed, *params: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement.as_string(None), params)
        return int(cursor.rowcount)


def _name(name: str) -> sql.Identifier:
    return sql.Identifier(name)


def _pk(model: type[Model]) -> sql.Identifier:
    return sql.Identifier(_column(model._meta.pk))


def _array(model: type[Model]) -> sql.SQL:
    """A placeholder for a list of the model's keys; the type comes from the field, not a value."""
    return sql.SQL(f"%s::{_type(model._meta.pk)}[]")


def _keys(model: type[Model], ids: Sequence[Any]) -> str | list[Any]:
    """The keys as a parameter for `_array`, written once for all statements of a chunk.

    psycopg would write each key anew for each statement; that was half of a sweep's work here.
    """
    if _type(model._meta.pk) == "uuid":
        return "{" + ",".join([key.hex for key in ids]) + "}"
    return list(ids)


def _type(column: Any) -> str:
    return str(column.rel_db_type(connection) if column.primary_key else column.db_type(connection))


def _column(column: Any) -> str:
    return str(column.column)
