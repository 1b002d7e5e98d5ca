"""Everything the database holds, to show that something changed nothing."""

from __future__ import annotations

from django.db import connection
from psycopg import sql


def dump() -> dict[str, list[str]]:
    """Table → its rows as text, sorted; of every table there is."""
    found: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            query = sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(table))
            cursor.execute(query.as_string(None))
            found[table] = sorted(row[0] for row in cursor.fetchall())
    return found
