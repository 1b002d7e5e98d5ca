"""What somebody reads who gets hold of a dump: nothing secret, nothing that pays, no door."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.db import connection
from django.utils import timezone
from psycopg import sql

from datamap.never_stored import passes_luhn
from tests.factories.everything import lived
from tests.factories.payments import CARD_NUMBERS
from tests.factories.policy import edited, publish_bytes
from tests.factories.profiles import set_profile
from tests.factories.traces import traces

EVERYTHING = ("payments = false", "payments = true")
# A card's number, and no part of a longer word, as digests are. Some few cards have 19 digits, as
# the database's own random numbers have; those `accounts.controls` looks for, column by column.
DIGITS = re.compile(r"(?<![\w-])[2-6]\d{12,17}(?![\w-])")


def dumped() -> Iterator[tuple[str, bytes]]:
    """Table → what `pg_dump --data-only` writes of it."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            statement = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))
            with cursor.copy(statement) as copy:
                yield table, b"".join(bytes(part) for part in copy)


@pytest.fixture(autouse=True)
def _policy(db: None) -> None:
    cache.clear()
    publish_bytes(edited("policies/wecustomers.toml", EVERYTHING))


def test_nothing_that_is_sealed_stands_in_a_dump() -> None:
    """Telephone numbers, postal addresses, what pays, notes, tokens, codes, passwords, keys."""
    life = lived(now=timezone.now())
    assert len(life.sealed) > 25
    assert traces(life.sealed, dumped(), keys=False) == {}


def test_search_finds_what_stands_there_in_clear() -> None:
    """Planted: a telephone number in a text that nobody seals."""
    life = lived(now=timezone.now())
    set_profile(life.user, values={"about": "Call +44 7700 900123!"}, now=timezone.now())
    found = traces(life.sealed, dumped(), keys=False)
    assert found == {"accounts_profile": ["+44 7700 900123"]}


def test_no_number_of_a_card_stands_in_a_dump() -> None:
    lived(now=timezone.now())
    found = {
        table: [n for n in DIGITS.findall(rows.decode()) if passes_luhn(n)]
        for table, rows in dumped()
    }
    assert len(found) > 50
    assert {table: numbers for table, numbers in found.items() if numbers} == {}


@pytest.mark.parametrize("number", CARD_NUMBERS)
def test_search_finds_the_number_of_a_card(number: str) -> None:
    """Planted: the patterns of the test above know each sort of card."""
    assert DIGITS.findall(f"a\t{number}\tb") == [number]
    assert passes_luhn(number)
