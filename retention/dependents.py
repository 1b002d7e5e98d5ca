"""What hangs on a row: found from foreign keys, so that no list of tables can be forgotten.

Only what its model declares as going along (CASCADE) or letting go (SET_NULL) is followed. Every
other relation is refused in words before anything is touched: a row that something protects must
not be due, and guessing what its author meant would destroy data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import Model

from audit.models import AppendOnly
from datamap import registry
from datamap.holding import Erasing, Holding


class Undeletable(RuntimeError):
    """Rows of `model` can't be removed because of `relation`; `why` says it in words."""

    def __init__(self, *, model: str, relation: str, why: str) -> None:
        self.model, self.relation, self.why = model, relation, why
        super().__init__(f"{model} can't be removed: {relation} {why}")


class HoldingsInACircle(RuntimeError):
    """Holdings that each must go before the other; `keys` names them."""

    def __init__(self, keys: list[str]) -> None:
        self.keys = keys
        super().__init__(f"these holdings wait for each other: {' → '.join(keys)}")


@dataclass(frozen=True)
class Dependent:
    """A table that refers to another one.

    column: the column that refers; target: the column it refers to.
    lets_go: the reference is emptied and the row stays.
    below: what hangs on this table's rows in turn.
    """

    model: type[Model]
    column: str
    target: str
    lets_go: bool
    below: tuple[Dependent, ...]


@dataclass(frozen=True)
class Manners:
    """How far a removal may go.

    apart: tables with a holding of their own are left to their own step; rows still referring
        then are somebody else's, and the database refuses (an erasure).
    unreferenced: relations, by query name, through which no row to be removed is referred to,
        because the holding's `due` says so.
    ruled: keys of holdings whose rows end by rules of their own and so not with another row.
    """

    apart: bool = False
    unreferenced: frozenset[str] = frozenset()
    ruled: frozenset[str] = frozenset()


ERASING = Manners(apart=True)


def dependents(model: type[Model], manners: Manners = Manners()) -> tuple[Dependent, ...]:
    """The tables that refer to `model`, recursively. Raises `Undeletable`."""
    return tuple(_walk(model, manners=manners, path=(model,)))


def erasing_order() -> list[Holding]:
    """All holdings, each before those its rows refer to, and after those it names in `after`.

    Raises `HoldingsInACircle`.
    """
    by_key = {holding.key: holding for holding in registry.holdings()}
    of_model: dict[type[Model], list[str]] = {}
    for holding in by_key.values():
        of_model.setdefault(holding.model_class, []).append(holding.key)
    sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(by_key, ()))
    for holding in by_key.values():
        sorter.add(holding.key, *holding.after)
        for model in _referred(holding.model_class):
            for key in of_model.get(model, ()):
                sorter.add(key, holding.key)
    try:
        return [by_key[key] for key in sorter.static_order()]
    except CycleError as error:
        raise HoldingsInACircle(list(error.args[1])) from None


def unreferenced_by_due(holding: Holding) -> frozenset[str]:
    """Relations that `due` requires to be empty: `{"choice__isnull": True}` names `choice`."""
    suffix = "__isnull"
    return frozenset(
        lookup.removesuffix(suffix)
        for lookup, value in holding.due.items()
        if lookup.endswith(suffix) and value is True
    )


def _walk(
    model: type[Model], *, manners: Manners, path: tuple[type[Model], ...]
) -> Iterator[Dependent]:
    if model._meta.parents:
        raise Undeletable(model=model._meta.label, relation="its parent table", why="is another")
    for relation in _relations_to(model):
        related: type[Model] = relation.related_model
        name = f"{related._meta.label}.{relation.field.name}"
        if len(path) == 1 and relation.related_query_name in manners.unreferenced:
            continue
        own = [h for h in registry.holdings() if h.model_class is related]
        lets_go = relation.on_delete is models.SET_NULL
        if manners.apart and own and not lets_go and own[0].erasing is not Erasing.KEEP:
            continue
        why = _objection(relation, own=own, manners=manners)
        if not why and related in path:
            why = "goes in a circle"
        if why:
            raise Undeletable(model=model._meta.label, relation=name, why=why)
        below = _walk(related, manners=manners, path=(*path, related))
        yield Dependent(
            model=related,
            column=relation.field.column,
            target=relation.field.target_field.column,
            lets_go=lets_go,
            below=() if lets_go else tuple(below),
        )


def _objection(relation: Any, *, own: list[Holding], manners: Manners) -> str:
    """Why the rows behind a relation can't follow, in words; empty when they can."""
    if relation.on_delete not in (models.CASCADE, models.SET_NULL):
        return "protects it and does not go along"
    if issubclass(relation.related_model, AppendOnly):
        return "belongs to a table that is only ever written"
    if relation.on_delete is models.SET_NULL:
        return ""
    if manners.apart and any(h.erasing is Erasing.KEEP for h in own):
        return "is kept on a ground of its own"
    if any(h.key in manners.ruled for h in own):
        return "ends by a rule of its own"
    return ""


@dataclass(frozen=True)
class _Relation:
    """A foreign key seen from the table it points to."""

    related_model: type[Model]
    field: Any
    on_delete: Any
    related_query_name: str


def _relations_to(model: type[Model]) -> list[_Relation]:
    found = []
    for field in model._meta.get_fields(include_hidden=True):
        if not isinstance(field, models.ForeignObjectRel) or not (
            field.one_to_many or field.one_to_one
        ):
            continue
        remote: Any = field
        if not getattr(remote.field, "concrete", False):
            continue
        found.append(
            _Relation(
                remote.related_model,
                remote.field,
                remote.on_delete,
                remote.field.related_query_name(),
            )
        )
    return sorted(found, key=lambda r: (r.related_model._meta.label, r.field.name))


def _referred(model: type[Model]) -> set[type[Model]]:
    """The other tables a table's foreign keys point to, through tables without a holding, too."""
    declared = {h.model_class for h in registry.holdings()}
    found: set[type[Model]] = set()
    waiting, seen = [model], {model}
    while waiting:
        for field in waiting.pop()._meta.concrete_fields:
            target: Any = field.related_model if field.remote_field else None
            if target is None or target in seen:
                continue
            seen.add(target)
            if target in declared:
                found.add(target)
            else:
                waiting.append(target)
    return found - {model}


def every_table() -> list[type[Model]]:
    """Every table this installation manages."""
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    ]
