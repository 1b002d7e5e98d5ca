"""The promise board: each promise of the policy in force, and whether it is kept right now.

States are worked out when the page is drawn. Evidence that is too old, was found under another
policy, or could not be gathered says nothing about today: *not evaluated*. The evidence itself is
remembered for a few seconds, so that drawing the board costs no query.
"""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from audit import control
from audit.control import Control
from audit.models import Evidence
from policy import vocabulary
from policy.document import Promise
from policy.memory import Remembered
from policy.models import PolicyVersion


def _look(known: dict[str, Evidence] | None) -> dict[str, Evidence]:
    return control.latest(control.controls())


newest = Remembered(_look)


class State(enum.Enum):
    """What the board says; the values are those of the chip component."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_EVALUATED = "stale"
    NO_CHECK = "none"


@dataclass(frozen=True)
class Line:
    """One promise with what is known about it."""

    promise: Promise
    control: Control | None
    evidence: Evidence | None
    state: State

    @property
    def figures(self) -> str:
        """What the check looked at, for the public: small counts are hidden, no ids."""
        if self.evidence is None or self.state is State.NO_CHECK:
            return ""
        if self.evidence.outcome == Evidence.Outcome.FAILED:
            return _("the check could not be carried out")
        if self.evidence.checked == 0 and not self.evidence.violations:
            return _("nothing to check so far")
        parts = [_("%(count)s checked") % {"count": vocabulary.masked(self.evidence.checked)}]
        if self.evidence.violations:
            broken = vocabulary.masked(self.evidence.violations)
            parts.append(_("%(count)s not as promised") % {"count": broken})
        parts += [
            f"{vocabulary.figure(name)}: {public_figure(value)}"
            for name, value in self.evidence.figures.items()
        ]
        return " · ".join(parts)


@dataclass(frozen=True)
class Figure:
    """One number of the tally, as components/tally.html draws it."""

    value: int
    label: str
    state: str


def lines(*, version: PolicyVersion, now: datetime) -> list[Line]:
    """Every promise of the version in the file's order, from memory."""
    installed, latest = control.controls(), newest.value()
    found = []
    for promise in version.document.promises:
        keeper = installed.get(promise.control or "")
        evidence = latest.get(promise.control or "")
        state = _state(keeper, evidence, version.digest, now)
        found.append(Line(promise, keeper, evidence, state))
    return found


def tally(board: list[Line]) -> list[Figure]:
    """How many promises are in which state, in the order of interest."""
    counts = Counter(line.state for line in board)
    words = {
        State.KEPT: (_("kept"), "kept"),
        State.BROKEN: (_("broken"), "broken"),
        State.NOT_EVALUATED: (_("not evaluated"), "wait"),
        State.NO_CHECK: (_("no check yet"), "none"),
    }
    return [
        Figure(counts[state], label, colour if counts[state] else "none")
        for state, (label, colour) in words.items()
        if counts[state] or state in (State.KEPT, State.BROKEN)
    ]


def public_figure(value: object) -> str:
    """A figure of a check for everybody to see."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int):
        return vocabulary.masked(value)
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _state(keeper: Control | None, evidence: Evidence | None, digest: str, now: datetime) -> State:
    if keeper is None:
        return State.NO_CHECK
    if evidence is None or control.is_stale(control=keeper, evidence=evidence, now=now):
        return State.NOT_EVALUATED
    if evidence.policy_digest and evidence.policy_digest != digest:
        return State.NOT_EVALUATED
    outcomes = {
        Evidence.Outcome.KEPT.value: State.KEPT,
        Evidence.Outcome.BROKEN.value: State.BROKEN,
    }
    return outcomes.get(evidence.outcome, State.NOT_EVALUATED)
