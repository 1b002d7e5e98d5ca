"""What staff see of sweeps, erasures and cases: a fixed number of queries, whatever there is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When
from django.utils.translation import ngettext

from policy import current
from policy.document import RetentionRule
from retention import rules, schedule
from retention.models import ChildCase, Erasure, SweepRun, SweepStep
from retention.worker import ALARM_AFTER

CHIPS = {
    ChildCase.State.CONTEST: "wait",
    ChildCase.State.CONTESTED: "wait",
    ChildCase.State.ERASING: "wait",
    ChildCase.State.RELEASED: "none",
    ChildCase.State.ERASED: "kept",
}


@dataclass(frozen=True)
class RuleLine:
    """One rule with what the last real sweep did for it.

    lag: how long past its end the oldest row was that the last sweep found; None without one.
    """

    rule: RetentionRule
    step: SweepStep | None
    lag: timedelta | None
    would_go: int | None
    state: str

    @property
    def lag_words(self) -> str:
        """The lag in its largest fitting unit."""
        lag = self.lag or timedelta()
        if lag >= timedelta(days=2):
            return ngettext("%(n)d day", "%(n)d days", lag.days) % {"n": lag.days}
        hours = int(lag.total_seconds() // 3600)
        return ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}


@dataclass(frozen=True)
class CaseLine:
    """One case of a child, without anything about the person."""

    case: ChildCase
    chip: str
    late: bool


def page(*, now: datetime, preview: SweepRun | None = None) -> dict[str, Any]:
    """Everything the page about sweeps shows."""
    document = current.document(now)
    last, counted = _latest_steps(), _steps_of(preview)
    erasures = Erasure.objects.filter(state__in=Erasure.OPEN).aggregate(
        open=Count("pk"),
        late=Count("pk", filter=Q(deadline__lt=now)),
        stuck=Count("pk", filter=Q(attempts__gte=ALARM_AFTER)),
    )
    refused = rules.refusals(document)
    lines = [
        _rule_line(rule, last, counted, refused.get(place, ""))
        for place, rule in enumerate(document.retention)
    ]
    return {
        "lines": lines,
        "runs": SweepRun.objects.filter(dry_run=False).order_by("-started_at")[:10],
        "next_due": schedule.next_due(),
        "erasures": erasures,
        "preview": preview,
        "would_go": sum(line.would_go or 0 for line in lines),
        "zone": document.zone,
        "nav_current": "staff",
    }


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


def _latest_steps() -> dict[tuple[str, str], SweepStep]:
    newest = (
        SweepStep.objects.filter(run__dry_run=False)
        .order_by("holding", "clock", "-id")
        .distinct("holding", "clock")
        .select_related("run")
    )
    return {(step.holding, step.clock): step for step in newest}


def _steps_of(run: SweepRun | None) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for step in run.steps.all() if run is not None else ():
        key = (step.holding, step.clock)
        found[key] = found.get(key, 0) + step.rows
    return found


def _rule_line(
    rule: RetentionRule,
    last: dict[tuple[str, str], SweepStep],
    counted: dict[tuple[str, str], int],
    refused: str,
) -> RuleLine:
    key = (rule.holding, rule.clock)
    step = last.get(key)
    lag = step.until - step.oldest if step is not None and step.oldest is not None else None
    state = "none" if step is None else "kept"
    if refused or (step is not None and step.error):
        state = "broken"
    return RuleLine(rule, step, lag, counted.get(key) if counted else None, state)
