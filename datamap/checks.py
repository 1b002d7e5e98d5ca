"""System checks: no field of any installed model escapes the data map.

Third-party and automatically created tables are read, too: a library's upgrade that adds a
column fails here before it can hold data nobody would erase.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db.models import Field, JSONField, Model, TextField

from datamap import registry
from datamap.holding import Holding

TAG = "datamap"


@register(TAG)
def every_field_is_declared(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Each concrete field is in a holding or declared not personal, and nothing else is."""
    found: list[CheckMessage] = []
    models = {model._meta.label: model for model in _tables()}
    declared = _declared_fields()
    for label, model in sorted(models.items()):
        found += _compare(model, declared.get(label))
    for label in sorted(set(declared) - set(models)):
        found.append(
            Error(
                f"The data map declares {label}, which is not installed.",
                hint="Remove the declaration or mend the model's label.",
                id="datamap.E003",
            )
        )
    for holding in registry.holdings():
        if holding.model in models:
            found += _check_holding(holding)
    return found


def _tables() -> Iterator[type[Model]]:
    for model in apps.get_models(include_auto_created=True):
        if not model._meta.proxy and model._meta.managed:
            yield model


def _declared_fields() -> dict[str, dict[str, str]]:
    """Model label → field → what its contents are (empty when not said)."""
    declared: dict[str, dict[str, str]] = {}
    for label, fields in registry.impersonal().items():
        declared.setdefault(label, {}).update(_named(fields))
    for holding in registry.holdings():
        fields_of = declared.setdefault(holding.model, {})
        fields_of.update(_named(holding.other))
        fields_of.update({p.name: p.contents for p in holding.personal})
    return declared


def _named(fields: Sequence[str]) -> dict[str, str]:
    return {name: contents.strip() for name, _, contents in (f.partition(":") for f in fields)}


def _compare(model: type[Model], declared: dict[str, str] | None) -> Iterator[CheckMessage]:
    label = model._meta.label
    fields: dict[str, Field[Any, Any]] = {f.name: f for f in model._meta.concrete_fields}
    if declared is None:
        yield Error(
            f"The data map does not know the table {label}.",
            hint=f"Declare its fields in a holdings.py: {', '.join(sorted(fields))}.",
            obj=model,
            id="datamap.E001",
        )
        return
    for name in sorted(set(fields) - set(declared)):
        yield Error(
            f"The data map does not know the field {label}.{name}.",
            hint="Add it to the holding, or to its list of other fields.",
            obj=model,
            id="datamap.E002",
        )
    for name in sorted(set(declared) - set(fields)):
        yield Error(
            f"The data map declares {label}.{name}, which the table does not have.",
            hint="Remove it from the declaration.",
            obj=model,
            id="datamap.E004",
        )
    for name, contents in sorted(declared.items()):
        if isinstance(fields.get(name), JSONField | TextField) and not contents:
            yield Error(
                f"The data map does not say what {label}.{name} may contain.",
                hint='Give it `contents="…"`, or write "name: what is in it".',
                obj=model,
                id="datamap.E005",
            )


def _check_holding(holding: Holding) -> list[CheckMessage]:
    """Paths lead to subjects, clocks and blanks name real fields, `after` real holdings.

    That every clock has an index is checked by `retention.checks`, which walks them.
    """
    model = holding.model_class
    found: list[CheckMessage] = []
    for path in (holding.subject, *holding.also):
        try:
            model._base_manager.filter(**{f"{path}__isnull": True})
        except (FieldError, ValueError) as error:
            found.append(
                Error(
                    f"Holding {holding.key}: {path!r} does not lead to a subject ({error}).",
                    obj=model,
                    id="datamap.E006",
                )
            )
    for column in (*holding.clocks.values(), *holding.blank):
        try:
            model._meta.get_field(column)
        except FieldDoesNotExist:
            found.append(
                Error(
                    f"Holding {holding.key} names {column!r}, which is no field of its table.",
                    obj=model,
                    id="datamap.E007",
                )
            )
    for other in holding.after:
        if other not in {h.key for h in registry.holdings()}:
            found.append(
                Error(
                    f"Holding {holding.key} comes after {other!r}, which is no holding.",
                    obj=model,
                    id="datamap.E008",
                )
            )
    return found
