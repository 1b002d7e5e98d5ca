"""Values as JSON text, column by column: shared by data.json and the page's own data."""

from __future__ import annotations

import json
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Any

from requests.package.columns import Column, Form
from requests.package.rows import Chunk, each


def encoded(columns: tuple[Column, ...], chunk: Chunk) -> list[list[str]]:
    """Per column, the JSON of its values."""
    return [each(values, _encoder(column)) for column, values in zip(columns, chunk, strict=True)]


def compact(value: object) -> str:
    """JSON without spaces, letters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _encoder(column: Column) -> Callable[[Any], str]:
    if column.form is Form.JSON:
        return lambda value: "null" if value is None else value  # Postgres wrote it
    if column.form in (Form.NUMBER, Form.BOOLEAN):
        return compact
    return lambda value: "null" if value is None else encode_basestring(value)
