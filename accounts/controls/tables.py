"""Searching the tables themselves, whatever our models say is in them.

Columns are read from the database's own catalogue, and the searching is done there: text that no
form and no model of ours knows about is found as well. The search for card numbers is not the one
at the doors (`datamap.never_stored`), so that a hole in that one shows here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import connection
from psycopg import sql

TEXTS = ("text", "character varying", "character", "json", "jsonb", "citext", "xml", "ARRAY")
MOST = 100  # of one column: enough to see that something is wrong

# As printed on cards, or in one piece; ids and digests, in which digits mean nothing, go first.
_NUMBER = (
    r"(?<![0-9+])(?:[0-9]{4}[ .-]?[0-9]{4}[ .-]?[0-9]{4}[ .-]?[0-9]{1,7}"
    r"|[0-9]{4}[ .-]?[0-9]{6}[ .-]?[0-9]{4,5}|[0-9]{13,19})(?![0-9])"
)
_RANDOM = r"\m(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,})\M"
_ISSUED = (
    r"^(?:4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})|5[0-9]{15,18}|2[2-7][0-9]{14}|3[0-9]{13,18}"
    r"|6[0-9]{15,18}|8[12][0-9]{14,17})$"
)
_WITH_NUMBERS = sql.SQL(
    """
    SELECT DISTINCT key FROM (
        SELECT {key}::text AS key, regexp_replace(found[1], '[^0-9]', '', 'g') AS digits
        FROM {table} AS t, LATERAL regexp_matches(
            regexp_replace(t.{column}::text, {random}, 'x', 'gi'), {number}, 'g') AS found
        WHERE t.{column}::text ~ '[0-9][0-9 .-]{{11,}}[0-9]'
    ) AS numbers
    WHERE digits ~ {issued} AND (
        SELECT sum(CASE WHEN (length(digits) - place) % 2 = 1
            THEN (ARRAY[0, 2, 4, 6, 8, 1, 3, 5, 7, 9])[substr(digits, place, 1)::int + 1]
            ELSE substr(digits, place, 1)::int END)
        FROM generate_series(1, length(digits)) AS place
    ) % 10 = 0
    LIMIT {most}
    """
)

_CODE = r"(?:\mcvv2?|\mcvc2?|\mcsc|\mcav2?|security[ _]code|verification[ _](?:code|value|number))"
_MAIDEN = r"mother(?:.?s)?[ _]maiden[ _]name"
_SAID = r"""["'\s:=#(]{0,5}(?:is|was)?["'\s:=#]{0,5}"""
_NO_NAME = r"(?!(?:not|never|no|none|kept|stored|asked|needed|required|used)\M)"
WORDS = {
    "security code": rf"{_CODE}\M{_SAID}[0-9]{{3,4}}(?![0-9])",
    "maiden name": _MAIDEN
    + r"""["']?\s{0,3}(?:is|was|:|=)\s{0,3}["']?"""
    + _NO_NAME
    + r"[[:alpha:]]{2,}",
}
_WITH_WORDS = sql.SQL(
    "SELECT {key}::text FROM {table} AS t WHERE t.{column}::text ~* {pattern} LIMIT {most}"
)
FORBIDDEN_NAMES = (
    r"(^|_)(cvv2?|cvc2?|csc|cav2?|security_code|maiden(_name)?|pan|card_number|track_?2?)(_|$)"
)


@dataclass(frozen=True)
class Column:
    """A column that can hold text. key: SQL for what names a row."""

    table: str
    name: str
    key: sql.Composable

    def place(self, row: str) -> str:
        """Names a row, never what stands in it."""
        return f"{self.table}.{self.name}:{row}"


def text_columns() -> list[Column]:
    """Every column of every table that can hold text and that we may read."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.table_name, c.column_name, k.column_name"
            " FROM information_schema.columns c"
            " JOIN information_schema.tables t USING (table_schema, table_name)"
            " LEFT JOIN LATERAL (SELECT a.attname AS column_name FROM pg_index i"
            "   JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
            "   WHERE i.indisprimary AND i.indnkeyatts = 1"
            "   AND i.indrelid = format('%%I.%%I', c.table_schema, c.table_name)::regclass"
            " ) k ON true"
            " WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'"
            " AND c.data_type = ANY(%s) ORDER BY 1, c.ordinal_position",
            [list(TEXTS)],
        )
        return [
            Column(table, name, sql.SQL("t.") + sql.Identifier(key or "ctid"))
            for table, name, key in cursor.fetchall()
        ]


def with_card_numbers(columns: Iterable[Column]) -> Iterator[str]:
    """Rows in which something looks like a full card number."""
    for column in columns:
        yield from _rows(
            column,
            _WITH_NUMBERS,
            random=sql.Literal(_RANDOM),
            number=sql.Literal(f"({_NUMBER})"),
            issued=sql.Literal(_ISSUED),
        )


def with_words(columns: Iterable[Column], pattern: str) -> Iterator[str]:
    """Rows whose text matches."""
    for column in columns:
        yield from _rows(column, _WITH_WORDS, pattern=sql.Literal(pattern))


def forbidden_columns() -> list[str]:
    """Columns whose very name says that they are for what is never stored."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name || '.' || column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND column_name ~* %s ORDER BY 1",
            [FORBIDDEN_NAMES],
        )
        return [name for (name,) in cursor.fetchall()]


def _rows(column: Column, query: sql.SQL, **parts: sql.Composable) -> list[str]:
    composed = query.format(
        key=column.key,
        table=sql.Identifier(column.table),
        column=sql.Identifier(column.name),
        most=sql.Literal(MOST),
        **parts,
    )
    with connection.cursor() as cursor:
        cursor.execute(composed.as_string(None))
        return [column.place(row) for (row,) in cursor.fetchall()]
