"""Changes in words, each material or not by the rules stated in `policy.difference`."""

from __future__ import annotations

from typing import Any

import pytest

from policy.difference import EVERYWHERE, LABELS, PARTS, Change, difference
from policy.document import Document
from policy.reading import parse
from tests.factories.policy import file_bytes

ACCOUNT = "How long “Your account, after registering without confirming the address”"
ACCESS = "What you can ask for “Learn what we hold about you”"


@pytest.fixture(scope="module")
def base() -> Document:
    return parse(file_bytes())


def changed(base: Document, table: str, number: int | None = None, **values: Any) -> Document:
    """The document with some values of one table replaced, checked by the format."""
    data = base.model_dump()
    part = data[table] if number is None else data[table][number]
    part.update(values)
    return Document.model_validate(_dumped(data))


def without(base: Document, table: str, number: int) -> Document:
    data = base.model_dump()
    del data[table][number]
    return Document.model_validate(_dumped(data))


def _dumped(data: Any) -> Any:
    return {k: v for k, v in data.items() if v is not None}


def told(before: Document, after: Document) -> list[tuple[str, bool]]:
    return [(change.sentence, change.material) for change in difference(before, after)]


def test_equal_documents_do_not_differ(base: Document) -> None:
    assert difference(base, base) == []


@pytest.mark.parametrize(
    ("table", "number", "values", "sentence", "material"),
    [
        ("retention", 0, {"period": "8 days"},
         f"{ACCOUNT}: the period is now 8 days, was 7 days.", True),
        ("retention", 0, {"period": "6 days"},
         f"{ACCOUNT}: the period is now 6 days, was 7 days.", False),
        ("retention", 0, {"action": "archive"},
         f"{ACCOUNT}: action is now archive, was erase.", True),
        ("age", None, {"youngest": 12}, "Age: the youngest age is now 12, was 13.", True),
        ("age", None, {"youngest": 14}, "Age: the youngest age is now 14, was 13.", True),
        ("age", None, {"contest": "6 days"},
         "Age: the time to object after a lock is now 6 days, was 7 days.", True),
        ("age", None, {"contest": "8 days"},
         "Age: the time to object after a lock is now 8 days, was 7 days.", False),
        ("requests", 0, {"deadline": "40 days"},
         f"{ACCESS}: the deadline is now 40 days, was 1 month.", True),
        ("requests", 0, {"channels": ["form", "e-mail"]},
         f"{ACCESS}: the list of ways is now form, e-mail, "
         "was privacy centre, form, e-mail.", True),
        ("purposes", 0, {"legal_basis": "consent"},
         "Purpose “Your account”: the legal basis is now consent, was contract.", True),
        ("purposes", 0, {"text": "To do anything at all."},
         "Purpose “Your account”: new words for what it says.", True),
        ("purposes", 0, {"title": "The account"},
         "Purpose “The account”: its title is now The account, was Your account.", False),
        ("controller", None, {"email": "new@example.com"},
         "Who is responsible: the e-mail address is now new@example.com, "
         "was admin@wecustomers.com.", False),
        ("controller", None, {"name": "Somebody"},
         "Who is responsible: the name is now Somebody, was WeCustomers.", True),
        ("site", None, {"accent": "#000000"},
         "The site: accent is now #000000, was #1c6b46.", False),
        ("features", None, {"newsletter": True},
         "Features: newsletter is now yes, was no.", True),
        ("features", None, {"invitations": False},
         "Features: invitations is now no, was yes.", False),
        ("notice", None, {"period": "10 days"},
         "How changes are announced: the period is now 10 days, was 30 days.", True),
        ("mail_categories", 0, {"basis": "consent"},
         "Kind of mail “News of our services”: whether it is asked for or can be refused is now "
         "consent, was opt-out.", True),
        ("promises", 2, {"control": None},
         "Promise “WC-3”: what keeps it is now nothing, was accounts.session-cookie.", False),
    ],
)  # fmt: skip
def test_a_change_is_told_and_weighed(
    base: Document,
    table: str,
    number: int | None,
    values: dict[str, Any],
    sentence: str,
    material: bool,
) -> None:
    assert told(base, changed(base, table, number, **values)) == [(sentence, material)]


@pytest.mark.parametrize(
    ("table", "number", "sentence", "added", "removed"),
    [
        ("purposes", 9, "Purpose {}: Making the site better.", True, False),
        ("recipients", 0, "Recipient {}: Other members.", True, False),
        ("transfers", 0, "Transfer to another country {}: Your data in the United States.",
         True, False),
        ("promises", 22, "Promise {}: WC-23.", False, True),
        ("requests", 0, "What you can ask for {}: Learn what we hold about you.", False, True),
        ("cookies", 0, None, False, False),
        ("remarks", 0, "Remark {}: No protection is perfect.", False, False),
    ],
)  # fmt: skip
def test_what_is_new_or_gone_is_told_and_weighed(
    base: Document, table: str, number: int, sentence: str | None, added: bool, removed: bool
) -> None:
    data = base.model_dump()
    if table == "purposes":
        number = next(n for n, p in enumerate(data["purposes"]) if p["key"] == "improvement")
    less = without(base, table, number)
    (gone,), (new,) = difference(base, less), difference(less, base)
    assert (gone.material, new.material) == (removed, added)
    if sentence is not None:
        assert (gone.sentence, new.sentence) == (
            sentence.format("removed"),
            sentence.format("added"),
        )


def test_material_changes_come_first(base: Document) -> None:
    after = changed(changed(base, "site", accent="#000000"), "age", youngest=16)
    assert [c.material for c in difference(base, after)] == [True, False]


def test_changes_survive_storage(base: Document) -> None:
    for change in difference(base, changed(base, "age", youngest=16)):
        assert Change(**change.as_json()) == change


def test_every_table_of_the_format_is_compared() -> None:
    assert set(Document.model_fields) - set(PARTS) == {"format", "release"}


def test_rules_name_fields_that_exist(base: Document) -> None:
    known = set(EVERYWHERE)
    for name in PARTS:
        value = getattr(base, name)
        part = value[0] if isinstance(value, list) else value
        fields = set(type(part).model_fields)
        assert set(PARTS[name].fields or {}) <= fields
        known |= fields
    assert set(LABELS) <= known
