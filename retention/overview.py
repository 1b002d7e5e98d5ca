"""What staff see of sweeps, erasures and cases: a fixed number of queries, whatever there is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audit.errands import Span
from policy import current
from policy.document import RetentionRule
from retention import rules, schedule, sweep_history
from retention.erase_worker import ALARM_AFTER
from retention.models import Brake, ChildCase, Erasure, SweepRun, SweepStep

CHIPS = {
    ChildCase.State.CONTEST: "wait",
    ChildCase.State.CONTESTED: "wait",
    ChildCase.State.ERASING: "wait",
    ChildCase.State.RELEASED: "none",
    ChildCase.State.ERASED: "kept",
}


RUN_CHIPS = {
    SweepRun.State.RUNNING: "wait",
    SweepRun.State.PAUSED: "wait",
    SweepRun.State.DONE: "kept",
    SweepRun.State.BRAKED: "broken",
    SweepRun.State.FAILED: "broken",
    SweepRun.State.LEFT: "none",
}


ERRAND = "child-case"


def spans(references: Collection[str]) -> dict[str, Span]:
    """Reference → whose case and from when to when it is a task of the staff; one query."""
    rows = ChildCase.objects.filter(reference__in=references).values_list(
        "reference", "subject_id", "learned_at", "closed_at"
    )
    return {
        reference: Span(subject_id, since, until) for reference, subject_id, since, until in rows
    }


def open_of(subject_id: UUID, now: datetime) -> list[str]:
    """References of a person's open cases; one query."""
    rows = ChildCase.objects.filter(subject=subject_id, closed_at=None, learned_at__lte=now)
    return list(rows.order_by("learned_at").values_list("reference", flat=True))


@dataclass(frozen=True)
class RuleLine:
    """One rule with what the last real sweep did for it.

    lag: how long past its end the oldest row was that the last sweep found; None without one.
    """

    rule: RetentionRule
    step: SweepStep | None
    lag: timedelta | None
    state: str

    @property
    def lag_words(self) -> str:
        """The lag in its largest fitting unit."""
        return in_words(self.lag or timedelta())


@dataclass(frozen=True)
class CaseLine:
    """One case of a child, without anything about the person."""

    case: ChildCase
    chip: str
    late: bool


def page(*, now: datetime) -> dict[str, Any]:
    """Everything the page about sweeps shows: seven queries."""
    document = current.document(now)
    last = _latest_steps(document.retention)
    erasures = Erasure.objects.filter(state__in=Erasure.OPEN).aggregate(
        open=Count("pk"),
        late=Count("pk", filter=Q(deadline__lt=now)),
        stuck=Count("pk", filter=Q(attempts__gte=ALARM_AFTER)),
    )
    refused = rules.refusals(document)
    lines = [
        _rule_line(rule, last, refused.get(place, ""))
        for place, rule in enumerate(document.retention)
    ]
    runs, bars = list(sweep_history.runs()[:10]), sweep_history.days(now=now, zone=document.zone)
    return {
        "lines": lines,
        "last": runs[0] if runs else None,
        "runs": [(run, RUN_CHIPS[SweepRun.State(run.state)]) for run in runs],
        "figures": _figures(lines, runs),
        "brakes": Brake.objects.filter(state__in=Brake.OPEN).order_by("braked_at"),
        "bars": bars,
        "swept": sum(bar.rows for bar in bars),
        "next_due": schedule.next_due(),
        "erasures": erasures,
        "zone": document.zone,
        "nav_current": "staff",
    }


def in_words(length: timedelta) -> str:
    """A length of time in its largest fitting unit."""
    if length >= timedelta(days=2):
        return ngettext("%(n)d day", "%(n)d days", length.days) % {"n": length.days}
    hours = int(length.total_seconds() // 3600)
    return ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}


def _figures(lines: list[RuleLine], runs: list[SweepRun]) -> list[dict[str, Any]]:
    """The last sweep in four figures."""
    if not runs:
        return []
    lag = max((line.lag for line in lines if line.lag is not None), default=None)
    braked = sum(line.step is not None and line.step.braked for line in lines)
    errors = sum(line.state == "broken" for line in lines) - braked
    return [
        {"label": _("rows in the last sweep"), "value": getattr(runs[0], "rows", 0) or 0},
        {"label": _("oldest row past its end"), "value": in_words(lag) if lag else _("none")},
        {
            "label": _("rules with an error"),
            "value": errors,
            "state": "broken" if errors else "kept",
        },
    ]


def cases() -> QuerySet[ChildCase]:
    """All cases: those that wait for a decision first, then other open ones, then closed ones."""
    order = Case(
        When(state=ChildCase.State.CONTESTED, then=Value(0)),
        When(state__in=ChildCase.OPEN, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    return ChildCase.objects.order_by(order, "erase_by", "pk")


def line(case: ChildCase, *, now: datetime) -> CaseLine:
    """What the desk shows of a case; no query."""
    late = case.state in ChildCase.OPEN and now > case.erase_by
    return CaseLine(case, "broken" if late else CHIPS[ChildCase.State(case.state)], late)


def waiting(*, now: datetime) -> tuple[int, int]:
    """How many cases wait for a decision, and how many are late; one query."""
    counts = ChildCase.objects.filter(state__in=ChildCase.OPEN).aggregate(
        contested=Count("pk", filter=Q(state=ChildCase.State.CONTESTED)),
        late=Count("pk", filter=Q(erase_by__lt=now)),
    )
    return counts["contested"], counts["late"]


def _latest_steps(known: Iterable[RetentionRule]) -> dict[tuple[str, str], SweepStep]:
    """The newest step of every rule: one index step each, in one query."""
    pairs = {(rule.holding, rule.clock) for rule in known}
    if not pairs:
        return {}
    parts = [
        SweepStep.objects.filter(dry_run=False, holding=holding, clock=clock)
        .order_by("-id")
        .values("pk")[:1]
        for holding, clock in sorted(pairs)
    ]
    newest = parts[0].union(*parts[1:], all=True) if len(parts) > 1 else parts[0]
    steps = SweepStep.objects.filter(pk__in=newest).select_related("run", "brake")
    return {(step.holding, step.clock): step for step in steps}


def _rule_line(
    rule: RetentionRule, last: dict[tuple[str, str], SweepStep], refused: str
) -> RuleLine:
    step = last.get((rule.holding, rule.clock))
    oldest = step.oldest if step is not None else None
    if oldest is None and step is not None and step.braked and step.brake is not None:
        oldest = step.brake.oldest  # nothing was taken, so only the brake has seen the rows
    lag = step.until - oldest if step is not None and oldest is not None else None
    state = "none" if step is None else "kept"
    if step is not None and step.finished_at is None:
        state = "wait"
    if refused or (step is not None and (step.error or step.braked)):
        state = "broken"
    return RuleLine(rule, step, lag, state)
