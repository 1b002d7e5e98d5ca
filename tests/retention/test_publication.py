"""Rules that can't be carried out are listed with the file's other mistakes."""

from __future__ import annotations

import pytest

from policy.reading import PolicyError, read
from tests.factories.policy import edited

FILE = "policies/wecustomers.toml"
# Of the file's first rule.
ARCHIVED = ('action = "erase"', 'action = "archive"')


def problems(source: bytes) -> list[tuple[str, str]]:
    with pytest.raises(PolicyError) as caught:
        read(source)
    return [(p.place, p.message) for p in caught.value.problems]


def test_an_archive_that_does_not_exist_is_listed_before_any_database_is_asked() -> None:
    message = (
        "This rule can't be carried out: there is no archive yet; write 'delete' or 'anonymise'."
    )
    assert problems(edited(FILE, ARCHIVED)) == [("retention[1].holding", message)]


def test_it_is_listed_beside_other_mistakes() -> None:
    found = problems(edited(FILE, ARCHIVED, ("youngest = 13", "youngest = 19")))
    assert [place for place, _ in found] == ["age.youngest", "retention[1].holding"]


def test_an_unknown_holding_is_reported_once() -> None:
    slip = ('holding = "accounts.session"', 'holding = "accounts.sesion"')
    message = "The data map has no holding 'accounts.sesion'."
    assert problems(edited(FILE, slip)) == [("retention[2].holding", message)]
