"""Sensitive values lie encrypted, and what is never kept is nowhere (CC-4, CC-35)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db import connection
from django.db.models import BinaryField
from django.utils.translation import gettext_lazy as _
from psycopg import sql

from accounts.controls import tables
from audit.control import Control, Finding, Sort, declare
from datamap import registry
from datamap.holding import Holding, Personal

# Categories that no table may hold in the clear.
SENSITIVE = (
    "user.financial",
    "user.contact.address",
    "user.contact.phone_number",
    "user.content.private",
)
# A Fernet token: base64 of version 0x80 and a time of this century, then at least 64 bytes.
CIPHERTEXT = "^gAAAAA[A-Za-z0-9_-]{80,}={0,2}$"


def sealed(now: datetime) -> Finding:
    """Columns for sensitive values are made for ciphertext and hold nothing else; and no text of
    any table holds a full card number (CC-4).
    """
    columns = list(sealed_columns())
    violations = list(not_ciphertext(columns))
    violations += [f"{holding.key}.{field.name}: in the clear" for holding, field in in_the_clear()]
    texts = tables.text_columns()
    violations += tables.with_card_numbers(texts)
    return Finding.of(
        checked=len(columns) + len(texts), violations=violations, sealed_columns=len(columns)
    )


def never_stored(now: datetime) -> Finding:
    """No column is made for a security code or a maiden name, and no text holds one (CC-35)."""
    texts = tables.text_columns()
    violations = [f"column: {name}" for name in tables.forbidden_columns()]
    for pattern in tables.WORDS.values():
        violations += tables.with_words(texts, pattern)
    return Finding.of(checked=len(texts), violations=violations)


def sealed_columns(*, of: Iterable[str] = ()) -> Iterator[tuple[Holding, Personal]]:
    """Columns that hold personal data as bytes: all of them are ciphertext. of: only these."""
    for holding in registry.holdings():
        for field in holding.personal:
            column = holding.model_class._meta.get_field(field.name)
            if isinstance(column, BinaryField) and (not of or holding.key in of):
                yield holding, field


def not_ciphertext(columns: Iterable[tuple[Holding, Personal]]) -> Iterator[str]:
    """Rows in which a sealed column holds anything else; what is bound is asked of its function."""
    for holding, field in columns:
        model = holding.model_class
        query = (
            sql.SQL("SELECT row_key::text FROM kept_read_unsealed_tokens() AS row_key LIMIT {most}")
            if field.bound
            else sql.SQL(
                "SELECT {key}::text FROM {table}"
                " WHERE encode({column}, 'escape') !~ {pattern} LIMIT {most}"
            )
        )
        composed = query.format(
            key=sql.Identifier(str(model._meta.pk.column)),
            table=sql.Identifier(model._meta.db_table),
            column=sql.Identifier(str(model._meta.get_field(field.name).column)),  # type: ignore[union-attr]  # concrete
            pattern=sql.Literal(CIPHERTEXT),
            most=sql.Literal(tables.MOST),
        )
        with connection.cursor() as cursor:
            cursor.execute(composed.as_string(None))
            for (row,) in cursor.fetchall():
                yield f"{holding.key}.{field.name}:{row}"


def in_the_clear() -> list[tuple[Holding, Personal]]:
    """Fields of a sensitive category whose column can hold plain text."""
    sealed_ones = {(h.key, f.name) for h, f in sealed_columns()}
    return [
        (holding, field)
        for holding in registry.holdings()
        for field in holding.personal
        if field.category.startswith(SENSITIVE) and (holding.key, field.name) not in sealed_ones
    ]


declare(
    Control(
        key="accounts.sealed",
        sentence=_("Sensitive data lies encrypted, and no full card number lies anywhere."),
        how=_(
            "In every row of every column for payment data, telephone numbers and postal addresses "
            "we look whether there is ciphertext and nothing else. Then every text of every table "
            "is searched for numbers that could be a card's."
        ),
        sort=Sort.QUERY,
        check=sealed,
    ),
    Control(
        key="accounts.never-stored",
        sentence=_("Security codes of cards and mothers' maiden names are kept nowhere."),
        how=_(
            "We look through the names of all columns for one made for them, and through every "
            "text of every table for words that such a code or name stands beside."
        ),
        sort=Sort.QUERY,
        check=never_stored,
    ),
)
