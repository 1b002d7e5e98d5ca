"""Nothing on the pages is left in the words of the machine."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

from datamap import registry
from policy import vocabulary
from policy.document import Document
from policy.period import UNITS, Period


def test_every_clock_and_category_of_the_data_map_has_words() -> None:
    clocks = {clock for holding in registry.holdings() for clock in holding.clocks}
    assert clocks - set(vocabulary.CLOCKS) == set()
    categories = {p.category for holding in registry.holdings() for p in holding.personal}
    assert categories - set(vocabulary.CATEGORIES) == set()


def test_staff_read_no_title_that_speaks_to_the_person() -> None:
    titles = {vocabulary.staff_title(holding.key) for holding in registry.holdings()}
    assert [title for title in titles if {"you", "your"} & set(title.lower().split())] == []
    assert vocabulary.staff_title("accounts.account") == "Accounts"
    assert vocabulary.staff_title("audit.entry") == vocabulary.holding_title("audit.entry")
    assert vocabulary.staff_title("nobody.knows") == "nobody.knows"


@pytest.mark.parametrize(
    ("definition", "field", "words"),
    [
        ("Purpose", "legal_basis", vocabulary.BASES),
        ("Recipient", "role", vocabulary.ROLES),
        ("RequestRule", "kind", vocabulary.REQUESTS),
        ("RetentionRule", "action", vocabulary.ACTIONS),
        ("NoticeRule", "applies", vocabulary.APPLIES),
        ("Transfer", "mechanism", vocabulary.MECHANISMS),
    ],
)
def test_every_value_the_format_allows_has_words(
    definition: str, field: str, words: dict[str, object]
) -> None:
    schema = Document.model_json_schema()["$defs"][definition]["properties"][field]
    assert set(schema["enum"]) == set(words)


def test_every_channel_has_words() -> None:
    definitions = Document.model_json_schema()["$defs"]
    for definition in ("RequestRule", "NoticeRule"):
        values = definitions[definition]["properties"]["channels"]["items"]["enum"]
        assert set(values) <= set(vocabulary.CHANNELS)


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_has_words_in_both_numbers(unit: str) -> None:
    assert vocabulary.period(Period(1, unit)) == f"1 {unit}"
    assert vocabulary.period(Period(2, unit)) == f"2 {unit}s"


def test_an_unknown_category_takes_the_words_above_it() -> None:
    assert vocabulary.category("user.contact.email.work") == "e-mail address"
    assert vocabulary.category("nothing.known") == "nothing"


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0"), (1, "<10"), (9, "<10"), (10, "10"), (999, "999"), (1234567, "1 234 567")],
)
def test_counts_are_masked_when_small(count: int, shown: str) -> None:
    assert vocabulary.masked(count).replace("\N{NARROW NO-BREAK SPACE}", " ") == shown


def test_fields_are_named_for_people_once() -> None:
    names = [
        "accounts.account.email",
        "accounts.email_address.email",
        "accounts.session",
        "x.y.z_a",
    ]
    assert vocabulary.field_names(names) == ["e-mail address", "where you are signed in", "z a"]


def test_countries_are_those_of_iso_3166() -> None:
    assert vocabulary.country("FR") == "France"
    assert vocabulary.country("GB") == "United Kingdom"
    assert vocabulary.country("XX") == "XX"
    assert len(vocabulary.countries()) > 240


def test_guide_names_every_holding_that_has_a_clock_and_its_clocks() -> None:
    guide = (settings.BASE_DIR / "docs" / "policy-file.md").read_text()
    part = guide.partition("#### Holdings and their clocks")[2].partition("```")[0]
    rows = [row.split("|")[1:4] for row in part.splitlines() if row.startswith("| `")]
    told = {key.strip(" `"): set(re.findall(r"`(\w+)`", clocks)) for key, _what, clocks in rows}
    assert told == {h.key: set(h.clocks) for h in registry.holdings() if h.clocks}
