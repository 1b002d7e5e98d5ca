"""One unmoving view of the database for as long as a package is being built.

A package is read three times over, once per format. In one REPEATABLE READ transaction the three
agree, whatever people do meanwhile; the transaction only reads, so it blocks nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

CHUNK: Final = 1000  # rows read and written at a time

type_of_row = tuple[Any, ...]


@contextmanager
def snapshot() -> Iterator[BaseDatabaseWrapper]:
    """A connection that sees one state of the data; inside a caller's transaction, the caller's.

    A connection of its own leaves the ordinary one free to note progress and commit it.
    """
    if connection.in_atomic_block:
        yield connection
        return
    own = connection.copy()
    try:
        own.set_autocommit(False)
        with own.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            # Otherwise two readings of a big table may begin at different blocks of it.
            cursor.execute("SET LOCAL synchronize_seqscans = off")
        yield own
    finally:
        own.close()


def stream(rows: QuerySet[Any, Any], on: BaseDatabaseWrapper) -> Iterator[list[type_of_row]]:
    """The rows in chunks through a server-side cursor: memory stays flat."""
    query, parameters = rows.query.sql_with_params()
    with on.chunked_cursor() as cursor:
        cursor.execute(query, parameters)
        while chunk := cursor.fetchmany(CHUNK):
            yield chunk
