"""A policy whose retention rules can't be carried out is refused like any other mistake in it."""

from __future__ import annotations

from collections.abc import Iterator

from datamap import registry
from policy import references
from policy.complaints import Mistake
from policy.document import Document
from retention import rules


@references.add
def unenforceable(document: Document) -> Iterator[Mistake]:
    """Rules this installation has no way to follow. Holdings and clocks that do not exist are
    `policy.references`' to report.
    """
    known = {holding.key: holding.clocks for holding in registry.holdings()}
    for place, why in rules.refusals(document).items():
        rule = document.retention[place]
        if rule.clock in known.get(rule.holding, {}):
            yield Mistake(
                ("retention", place, "holding"),
                f"This rule can't be carried out: {why}.",
                "Change its clock, period or action, or leave the rule out.",
            )
