"""The public data map: every holding with what the policy in force says about it."""

from __future__ import annotations

from dataclasses import dataclass

from datamap import registry
from datamap.holding import Holding, Personal
from policy import vocabulary
from policy.document import Document, Ground, Purpose, RetentionRule


@dataclass(frozen=True)
class FieldEntry:
    """A personal field in words."""

    label: str
    category: str
    key: str
    source: str
    contents: str


@dataclass(frozen=True)
class HoldingEntry:
    """A holding in words. ground: why rows may outlive an erasure."""

    holding: Holding
    fields: tuple[FieldEntry, ...]
    purposes: tuple[Purpose, ...]
    rules: tuple[RetentionRule, ...]
    ground: Ground | None

    @property
    def outlasts_rules(self) -> bool:
        """Whether there are rows for which no period runs: every rule's clock may stand still."""
        fields = self.holding.model_class._meta
        columns = [fields.get_field(self.holding.clocks[rule.clock]) for rule in self.rules]
        return bool(columns) and all(column.null for column in columns)


def entries(document: Document) -> list[HoldingEntry]:
    """All holdings of this installation, in the order of their keys."""
    return [_entry(holding, document) for holding in registry.holdings()]


def offered(document: Document) -> list[HoldingEntry]:
    """The holdings that this policy has a use for: those of parts it switches off stay empty."""
    return [e for e in entries(document) if is_on(document, e.holding.feature)]


def is_on(document: Document, feature: str) -> bool:
    """Whether the policy has this part of the product; what is no part of its own always is on."""
    return not feature or bool(getattr(document.features, feature))


def purposes_of(holding: Holding, field: str, document: Document) -> set[str]:
    """Keys of the purposes a field serves: named there, collected for, or kept for."""
    name = f"{holding.key}.{field}"
    found = {p.key for p in document.purposes if name in p.data or holding.key in p.data}
    for point in document.collection_points:
        if name in point.required or name in point.optional:
            found.update(point.purposes)
    found |= {rule.purpose for rule in document.rules_for(holding.key) if rule.purpose}
    return found


def _entry(holding: Holding, document: Document) -> HoldingEntry:
    keys: set[str] = set()
    for personal in holding.personal:
        keys |= purposes_of(holding, personal.name, document)
    return HoldingEntry(
        holding=holding,
        fields=tuple(_field(holding, personal) for personal in holding.personal),
        purposes=tuple(p for p in document.purposes if p.key in keys),
        rules=tuple(document.rules_for(holding.key)),
        ground=next((g for g in document.grounds if g.key == holding.ground), None),
    )


def _field(holding: Holding, personal: Personal) -> FieldEntry:
    return FieldEntry(
        label=vocabulary.field_label(holding, personal),
        category=vocabulary.category(personal.category),
        key=personal.category,
        source=str(vocabulary.SOURCES[personal.source]),
        contents=personal.contents,
    )
