"""CSV tables (RFC 4180): every value quoted, and none that a spreadsheet would run.

A cell that begins like a formula gets an apostrophe before it (OWASP, "CSV Injection"; ASVS
1.2.10). A byte order mark makes spreadsheets read UTF-8.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from requests.package.columns import Column, Form
from requests.package.kinds import Kind
from requests.package.rows import Chunk, each

# The last four are full-width forms that spreadsheets take for the first four.
FORMULA: Final = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def table(kind: Kind, chunks: Iterable[Chunk]) -> Iterator[bytes]:
    """The table of a kind, with a line of labels on top."""
    yield codecs.BOM_UTF8 + _lines([[_safe(label)] for label in labels(kind)])
    cells = [_cell(column) for column in kind.columns]
    for chunk in chunks:
        yield _lines([each(values, cell) for values, cell in zip(chunk, cells, strict=True)])


def name(kind: Kind) -> str:
    """Where the table lies in the package."""
    return f"csv/{kind.key}.csv"


def labels(kind: Kind) -> list[str]:
    """A label per column; where two are alike, with the field's name."""
    found = [column.label for column in kind.columns]
    return [
        f"{column.label} ({column.name})" if found.count(column.label) > 1 else column.label
        for column in kind.columns
    ]


def _lines(columns: list[list[str]]) -> bytes:
    rows = '"\r\n"'.join('","'.join(row) for row in zip(*columns, strict=True))
    return f'"{rows}"\r\n'.encode()


def _cell(column: Column) -> Callable[[Any], str]:
    if column.form is Form.NUMBER:
        return lambda value: "" if value is None else str(value)
    if column.form is Form.BOOLEAN:
        return lambda value: "" if value is None else str(value).lower()
    if column.choices:
        return lambda value: _safe(column.choices.get(value, value))
    return _safe


def _safe(value: str | None) -> str:
    if not value:
        return ""
    if value[0] in FORMULA or (value[0].isspace() and value.lstrip()[:1] in FORMULA):
        value = f"'{value}"
    return value.replace('"', '""') if '"' in value else value
