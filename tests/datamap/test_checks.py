"""No field escapes: each way a declaration can be wrong is planted and found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.db import models

from datamap import registry
from datamap.checks import TAG, every_field_is_declared
from datamap.holding import Erasing, Holding, Personal


def found() -> list[tuple[str, str]]:
    return [(str(m.id), m.msg) for m in every_field_is_declared(None)]


@pytest.fixture
def restored() -> Iterator[None]:
    """Whatever a test declares is forgotten."""
    holdings, impersonal = dict(registry._holdings), dict(registry._impersonal)
    yield
    registry._holdings.clear()
    registry._holdings.update(holdings)
    registry._impersonal.clear()
    registry._impersonal.update(impersonal)


def redeclared(key: str, **changes: Any) -> None:
    registry._holdings[key] = replace(registry.holding(key), **changes)


def test_the_installation_is_complete() -> None:
    assert run_checks(tags=[TAG]) == []


def test_every_table_is_declared_third_party_and_automatic_ones_too() -> None:
    declared = {h.model for h in registry.holdings()} | set(registry.impersonal())
    installed = {
        model._meta.label
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy
    }
    assert declared == installed


def test_a_planted_field_is_found() -> None:
    from datamap.models import Subject

    field = models.CharField(max_length=10)
    field.contribute_to_class(Subject, "shoe_size")
    try:
        assert found() == [
            ("datamap.E002", "The data map does not know the field datamap.Subject.shoe_size.")
        ]
    finally:
        Subject._meta.local_fields.remove(field)
        Subject._meta._expire_cache()  # type: ignore[attr-defined]  # Django's own way
        del Subject.shoe_size  # type: ignore[attr-defined]
    assert found() == []


def test_an_undeclared_table_is_found(restored: None) -> None:
    del registry._impersonal["audit.Unsealed"]
    assert found() == [("datamap.E001", "The data map does not know the table audit.Unsealed.")]


def test_a_table_that_is_gone_is_found(restored: None) -> None:
    registry.declare_impersonal("datamap.Gone", "id")
    assert found() == [
        ("datamap.E003", "The data map declares datamap.Gone, which is not installed.")
    ]


def test_a_field_that_is_gone_is_found(restored: None) -> None:
    redeclared("datamap.subject", other=(*registry.holding("datamap.subject").other, "gone"))
    assert [id for id, _ in found()] == ["datamap.E004"]


def test_a_field_without_stated_contents_is_found(restored: None) -> None:
    registry._impersonal["audit.Evidence"] = tuple(
        f.partition(":")[0] for f in registry._impersonal["audit.Evidence"]
    )
    assert [id for id, _ in found()] == ["datamap.E005", "datamap.E005"]


def test_a_path_that_leads_nowhere_is_found(restored: None) -> None:
    redeclared("audit.entry", also=("nobody",))
    assert [id for id, _ in found()] == ["datamap.E006"]


@pytest.mark.parametrize("changes", [{"clocks": {"born": "birthday"}}, {"blank": {"gone": None}}])
def test_a_clock_or_blank_without_field_is_found(restored: None, changes: dict[str, Any]) -> None:
    redeclared("audit.entry", **changes)
    assert [id for id, _ in found()] == ["datamap.E007"]


def test_an_order_after_nothing_is_found(restored: None) -> None:
    redeclared("audit.entry", after=("no.holding",))
    assert [id for id, _ in found()] == ["datamap.E008"]


def test_two_holdings_with_one_key_are_refused(restored: None) -> None:
    with pytest.raises(registry.DuplicateHolding, match=r"audit\.entry"):
        registry.declare(registry.holding("audit.entry"))
    with pytest.raises(registry.DuplicateHolding, match=r"audit\.Unsealed"):
        registry.declare_impersonal("audit.Unsealed", "entry")


def test_an_unknown_holding_names_the_known_ones() -> None:
    with pytest.raises(registry.UnknownHolding) as caught:
        registry.holding("audit.entri")
    assert "audit.entry" in caught.value.known


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"erasing": Erasing.ANONYMISE}, "needs `blank`"),
        ({"erasing": Erasing.KEEP}, "needs a `ground`"),
        ({"spare": {"state": "waiting"}}, "needs a `ground`"),
    ],
)
def test_a_holding_says_what_erasing_needs(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Holding(
            key="x.y",
            model="datamap.Subject",
            title="x",
            subject="pk",
            personal=(Personal("email", "user.contact.email"),),
            **changes,
        )
