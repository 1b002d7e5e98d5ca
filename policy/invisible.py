"""Characters nobody sees in the texts of a policy file.

The database takes no NUL, and words that run backwards say something else than they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policy.complaints import Mistake
from policy.lines import Path

# C0 and C1 but for tab and line feed; embeddings, overrides and isolates of the writing direction.
INVISIBLE = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]")


def check(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """One mistake for every text that holds such a character."""
    waiting: list[tuple[Path, Any]] = [((), data)]
    while waiting:  # not a recursion: dotted keys can nest deeper than Python can
        path, value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += [((*path, key), part) for key, part in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, place), part) for place, part in enumerate(value)]
        elif isinstance(value, str) and (found := INVISIBLE.search(value)):
            yield Mistake(
                path,
                f"There is a control character (U+{ord(found[0]):04X}) in this text.",
                "Remove it.",
            )
