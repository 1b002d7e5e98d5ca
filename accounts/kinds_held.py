"""What kinds of data we hold about somebody, in words for somebody else (16 CFR 312.6(a)(1))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy

from datamap import registry
from datamap.counting import present
from policy import vocabulary

# Where the usual words speak to the person the data is about.
ABOUT_ANOTHER: dict[str, Any] = {
    "user": gettext_lazy("data about them"),
    "user.behavior": gettext_lazy("what they did here"),
    "user.content": gettext_lazy("what they wrote or uploaded"),
    "user.content.self_image": gettext_lazy("their picture"),
    "user.demographic": gettext_lazy("facts about them"),
    "user.demographic.age_range": gettext_lazy("whether they are a minor"),
    "user.device": gettext_lazy("their device"),
    "user.privacy_preferences": gettext_lazy("their privacy choices"),
    "user.unique_id.pseudonymous": gettext_lazy("a random id without a name"),
}


@dataclass(frozen=True)
class HeldKind:
    """One kind of data that we hold about somebody, and what is in it, in words."""

    title: str
    contents: tuple[str, ...]


def kinds(*, subject_id: UUID) -> list[HeldKind]:
    """What kinds of data we hold about a child, the question to the parent left out; one query."""
    holdings = registry.holdings()
    found = present((h.key, h.rows_of([subject_id])) for h in holdings)
    shown = [h for h in holdings if h.key in found and h.key != "accounts.guardianship"]
    return [
        HeldKind(
            vocabulary.staff_title(h.key),
            tuple(dict.fromkeys(_words(p.category) for p in h.personal)),
        )
        for h in shown
    ]


def _words(category: str) -> str:
    return str(ABOUT_ANOTHER.get(category) or vocabulary.category(category))
