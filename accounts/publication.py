"""A policy that lets others tell about somebody must also let that person decide (WC-20)."""

from __future__ import annotations

from collections.abc import Iterator

from accounts.facts import CHOICE, POINT
from policy import references
from policy.complaints import Mistake
from policy.document import Document


@references.add
def contributed_facts_are_decided_about(document: Document) -> Iterator[Mistake]:
    """The feature needs the words beside the form, and a purpose of that name needs a yes."""
    if not document.features.contributed_facts:
        return
    if document.collection_point(POINT) is None:
        yield Mistake(
            ("features", "contributed_facts"),
            f"Nothing says what stands beside the form: no collection point {POINT!r}.",
            f'Add a [[collection_points]] table with key = "{POINT}".',
        )
    for place, purpose in enumerate(document.purposes):
        if purpose.key == CHOICE and purpose.legal_basis != "consent":
            yield Mistake(
                ("purposes", place, "legal_basis"),
                "Nobody adds to a profile without its owner's yes.",
                'Write legal_basis = "consent".',
            )
