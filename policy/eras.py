"""Which version was in force when, told anew for the checks from nothing but the stored rows.

What enforces (`policy.current`, the rules of a sweep) does not use this: otherwise a check would
share its mistakes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from policy.document import Document
from policy.models import PolicyVersion


@dataclass(frozen=True)
class Era:
    """A version and the span in which it was in force; `until` is empty for the present one."""

    version: PolicyVersion
    since: datetime
    until: datetime | None

    @property
    def document(self) -> Document:
        """What that version says."""
        return self.version.document


def eras(now: datetime) -> list[Era]:
    """Every span up to `now`, oldest first; a later publication ends those that still waited."""
    chosen: list[PolicyVersion] = []
    for version in PolicyVersion.objects.filter(effective_at__lte=now).order_by("-number"):
        if not chosen or version.effective_at < chosen[-1].effective_at:
            chosen.append(version)
    chosen.reverse()
    spans = [Era(a, a.effective_at, b.effective_at) for a, b in pairwise(chosen)]
    return [*spans, *(Era(v, v.effective_at, None) for v in chosen[-1:])]
