"""System checks: the declarations an erasure needs make sense together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register
from django.db.models import Model

from datamap import registry
from datamap.holding import Erasing, Holding
from retention.dependents import (
    ERASING,
    HoldingsInACircle,
    Undeletable,
    dependents,
    erasing_order,
)
from retention.erase_steps import share_column

TAG = "retention"


@register(TAG)
def everything_can_be_erased(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """There is an order of steps, and no step would be stopped by what refers to its rows."""
    found: list[CheckMessage] = []
    try:
        erasing_order()
    except HoldingsInACircle as error:
        found.append(Error(str(error), hint="Mend their `after`.", id="retention.E001"))
    for holding in registry.holdings():
        found += _check(holding)
    return found


def _check(holding: Holding) -> list[CheckMessage]:
    model = holding.model_class
    found: list[CheckMessage] = []
    if holding.erasing is Erasing.DELETE:
        try:
            dependents(model, ERASING)
        except Undeletable as error:
            found.append(
                Error(
                    f"Holding {holding.key}: {error}.",
                    hint="Let it go along, let go, or be a holding that is erased before.",
                    obj=model,
                    id="retention.E002",
                )
            )
    if holding.erasing is not Erasing.KEEP:
        found += [
            Error(
                f"Holding {holding.key}: {path!r} can't be emptied for one person of several.",
                hint="Make it a foreign key to the subject that may be null.",
                obj=model,
                id="retention.E003",
            )
            for path in holding.also
            if share_column(holding, path) is None
        ]
    found += [
        Error(
            f"Holding {holding.key}: no index starts with its clock {clock!r} ({column}).",
            hint="Without one every sweep reads the whole table.",
            obj=model,
            id="retention.E004",
        )
        for clock, column in holding.clocks.items()
        if not _leads_an_index(model, column)
    ]
    return found


def _leads_an_index(model: type[Model], column: str) -> bool:
    field: Any = model._meta.get_field(column)
    first = {index.fields[0].lstrip("-") for index in model._meta.indexes if index.fields}
    return bool(field.db_index or field.unique or column in first)
