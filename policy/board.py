"""The promise board: each promise of the policy in force, and whether it is kept right now.

States are worked out when the page is drawn. Evidence that is too old, was found under another
policy, or could not be gathered says nothing about today: *not evaluated*. The evidence itself is
remembered for a few seconds, so that drawing the board costs no query.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audit import control
from audit.control import Control
from audit.models import Evidence
from policy import evaluation, vocabulary
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
    """One promise with what is known about it. stale: why its evidence says nothing today."""

    promise: Promise
    control: Control | None
    evidence: Evidence | None
    state: State
    stale: str = ""

    @property
    def next_at(self) -> datetime | None:
        """When it is checked again; none before the first check."""
        if self.control is None or self.evidence is None:
            return None
        return self.evidence.at + self.control.every * evaluation.DUE_AT

    @property
    def counts_until(self) -> datetime | None:
        """From when on its evidence says nothing any more."""
        if self.control is None or self.evidence is None:
            return None
        return self.evidence.at + 2 * self.control.every

    @property
    def every(self) -> str:
        """How often it is checked, in words: half the interval that its evidence may grow old."""
        if self.control is None:
            return ""
        hours = round((self.control.every * evaluation.DUE_AT).total_seconds() / 3600)
        return ngettext("every hour", "every %(n)d hours", hours) % {"n": hours}

    @property
    def facts(self) -> list[Fact]:
        """The newest evidence for everybody: small counts hidden, no ids."""
        return self._facts(vocabulary.masked, public_figure)

    @property
    def exact(self) -> list[Fact]:
        """The newest evidence for staff: exact figures, the class of an error, how long it took."""
        found = self._facts(str, str)
        if self.evidence is not None:
            found.append(Fact(_("Took"), _("%(n)d ms") % {"n": self.evidence.milliseconds}))
        return found

    @property
    def exact_figures(self) -> str:
        """The same in one line."""
        return " · ".join(f"{fact.term}: {fact.text}" for fact in self.exact)

    def _facts(self, count: Callable[[int], str], figure: Callable[[object], str]) -> list[Fact]:
        evidence = self.evidence
        if evidence is None:
            return []
        found = [
            Fact(_("Looked at"), count(evidence.checked)),
            Fact(_("Not as promised"), count(evidence.violations)),
        ]
        return found + [
            Fact(capfirst(vocabulary.figure(name)), figure(value))
            for name, value in evidence.figures.items()
            if name != "error" or count is str
        ]

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
class Fact:
    """A figure with its name, as components/facts.html shows it."""

    term: str
    text: str


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
        stale = _why_stale(keeper, evidence, version.digest, now)
        found.append(Line(promise, keeper, evidence, state, stale))
    return found


def line(*, version: PolicyVersion, promise_id: str, now: datetime) -> Line | None:
    """One promise of the version, from memory; none when it makes no such promise."""
    found = (known for known in lines(version=version, now=now) if known.promise.id == promise_id)
    return next(found, None)


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


def _why_stale(
    keeper: Control | None, evidence: Evidence | None, digest: str, now: datetime
) -> str:
    """Why evidence that there is says nothing about today, in words; else empty."""
    if keeper is None or evidence is None:
        return ""
    if evidence.policy_digest and evidence.policy_digest != digest:
        return _("It was checked under an earlier version of the policy, and not yet under this.")
    if control.is_stale(control=keeper, evidence=evidence, now=now):
        return _("The last check is too long ago to say anything about today.")
    if evidence.outcome == Evidence.Outcome.FAILED:
        return _("The last check could not be carried out, so it says nothing.")
    return ""


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
