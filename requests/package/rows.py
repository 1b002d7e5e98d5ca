"""Rows of a kind as they may be handed out: read in chunks, opened, cleared of other people.

Chunks are columns rather than rows: what is true of a whole column (nothing to redact, ten values
a thousand times over) is then found out once and not a thousand times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext

from datamap import encryption
from requests.package.columns import Column, Form
from requests.package.kinds import Kind
from requests.package.redaction import Redactor
from requests.package.snapshot import stream

Values = Sequence[Any]
Chunk = list[Values]


def chunks(
    kind: Kind,
    *,
    subject_ids: list[UUID],
    ordered: bool,
    connection: BaseDatabaseWrapper,
    redactor: Redactor,
) -> Iterator[Chunk]:
    """The rows about a person, some at a time: per column its values."""
    for rows in stream(kind.rows(subject_ids, ordered=ordered), connection):
        pairs = zip(kind.columns, zip(*rows, strict=True), strict=True)
        yield [_handed_out(column, values, redactor) for column, values in pairs]


def each(values: Values, change: Callable[[Any], str]) -> list[str]:
    """`change` of every value; of repeated ones once."""
    distinct = set(values)
    if 2 * len(distinct) > len(values):
        return [change(value) for value in values]
    changed = {value: change(value) for value in distinct}
    return [changed[value] for value in values]


def _handed_out(column: Column, values: Values, redactor: Redactor) -> Values:
    if column.form is Form.SEALED:
        values = [_opened(value) for value in values]
    if not column.guarded:
        return values
    if column.form is Form.PERSON:
        return redactor.people(values)
    return redactor.texts(values)


def _opened(value: bytes | memoryview | None) -> str | None:
    if value is None:
        return None
    try:
        return encryption.decrypt(bytes(value))
    except encryption.Unreadable:
        return gettext("[stored encrypted, and can no longer be read]")
