"""Versions side by side: what each changed, in words and line by line."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from policy import current
from policy.difference import Change
from policy.models import PolicyVersion

CONTEXT_LINES = 2


@dataclass(frozen=True)
class Entry:
    """A version with its changes. state: "in force", "coming" or "past"."""

    version: PolicyVersion
    before: PolicyVersion | None
    changes: tuple[Change, ...]
    state: str


@dataclass(frozen=True)
class Row:
    """A line of the text difference; kind is "+", "-", " " or "@" for a gap."""

    kind: str
    text: str


def entry(version: PolicyVersion, *, in_force: PolicyVersion) -> Entry:
    """The version as the pages show it, from memory."""
    known = {v.pk: v for v in current.versions()}
    state = "in force" if version.pk == in_force.pk else "past"
    if version.number > in_force.number:
        state = "coming"
    changes = tuple(Change(**change) for change in version.changes)
    before = known.get(version.compared_with_id) if version.compared_with_id else None
    return Entry(version, before, changes, state)


def text_difference(entry: Entry) -> list[Row]:
    """How the file differs from the one before; empty for the first version."""
    if entry.before is None:
        return []
    lines = difflib.unified_diff(
        entry.before.source.splitlines(),
        entry.version.source.splitlines(),
        lineterm="",
        n=CONTEXT_LINES,
    )
    # The first two lines name the files.
    return [Row(line[:1], line[1:]) for line in list(lines)[2:]]
