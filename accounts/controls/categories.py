"""Every column in which something stands says what kind of data it is (WD-2)."""

from __future__ import annotations

from datetime import datetime

from django.apps import apps
from django.db import connection
from django.utils.translation import gettext_lazy as _
from psycopg import sql

from audit.control import Control, Finding, Sort, declare
from datamap import registry
from policy.vocabulary import CATEGORIES

# Django's own record of what it did to the tables: names of migrations and nothing else.
OF_THE_MACHINE = frozenset({"django_migrations"})


def categories(now: datetime) -> Finding:
    """The database's own list of columns against the data map: what holds a value is declared,
    and what is personal has a category that we have words for.
    """
    declared = _declared()
    violations, checked = [], 0
    for table, column in _columns():
        kind = declared.get((table, column))
        if kind is None:
            if _has_value(table, column):
                violations.append(f"undeclared: {table}.{column}")
        elif kind and not _is_known(kind):
            violations.append(f"no category: {table}.{column}")
        checked += 1
    return Finding.of(
        checked=checked,
        violations=violations,
        personal_columns=sum(1 for kind in declared.values() if kind),
    )


def _declared() -> dict[tuple[str, str], str]:
    """Table and column → category; empty for what says nothing about a person."""
    tables = {m._meta.label: m for m in apps.get_models(include_auto_created=True)}
    found: dict[tuple[str, str], str] = {}
    for label, fields in registry.impersonal().items():
        for name in fields:
            found[_place(tables[label], name.partition(":")[0])] = ""
    for holding in registry.holdings():
        model = holding.model_class
        for name in holding.other:
            found.setdefault(_place(model, name.partition(":")[0]), "")
        for personal in holding.personal:
            found[_place(model, personal.name)] = personal.category or "?"
    return found


def _place(model: object, field: str) -> tuple[str, str]:
    meta = model._meta  # type: ignore[attr-defined]  # a model
    return str(meta.db_table), str(meta.get_field(field).column)


def _columns() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " JOIN information_schema.tables USING (table_schema, table_name)"
            " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
            " AND table_name <> ALL(%s) ORDER BY 1, 2",
            [list(OF_THE_MACHINE)],
        )
        return list(cursor.fetchall())


def _has_value(table: str, column: str) -> bool:
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {} IS NOT NULL)").format(
        sql.Identifier(table), sql.Identifier(column)
    )
    with connection.cursor() as cursor:
        cursor.execute(query.as_string(None))
        return bool(cursor.fetchone()[0])


def _is_known(category: str) -> bool:
    """Whether the category, or the one above it, has words; "data about you" says nothing."""
    while category not in CATEGORIES and category.count("."):
        category = category.rpartition(".")[0]
    return category in CATEGORIES and category != "user"


declare(
    Control(
        key="accounts.categories",
        sentence=_("Every column that holds something about people says what kind of data it is."),
        how=_(
            "We take the list of columns from the database itself and compare it with the data "
            "map. A column in which something stands and that the map does not know, or for whose "
            "kind of data it has no word, breaks the promise."
        ),
        sort=Sort.QUERY,
        check=categories,
    ),
)
