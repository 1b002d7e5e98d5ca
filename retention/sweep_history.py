"""What sweeps have done: run by run, day by day; and how that history itself ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import CharField, F, Max, QuerySet, Sum, Value
from django.db.models.functions import Cast, TruncDate

from datamap import registry
from datamap.holding import Holding
from retention.models import Brake, DayTaken, SweepRun, SweepStep
from retention.selection import due_rows

DAYS = 30
# The log keeps what was swept for as long as the policy says; this is for looking.
KEPT = timedelta(days=400)
COUNTED_KEPT = timedelta(days=7)
HEIGHT, WIDTH = 100, 20  # of a day's bar and its place, in the drawing's units
OF_ONE_RUN = 2000


@dataclass(frozen=True)
class Bar:
    """One day's rows, and where its bar stands in the drawing."""

    day: date
    rows: int
    x: int
    y: int
    height: int


@dataclass(frozen=True)
class Line:
    """One step of a run as the page shows it. share: percent of the table; id: of one such row."""

    step: SweepStep
    chip: str
    share: float | None
    example: str


def runs() -> QuerySet[SweepRun]:
    """Real runs, newest first, each with what it took and its longest transaction."""
    return (
        SweepRun.objects.filter(dry_run=False)
        .annotate(rows=Sum("steps__rows"), longest_ms=Max("steps__longest_ms"))
        .order_by("-started_at")
    )


def days(*, now: datetime, zone: ZoneInfo) -> list[Bar]:
    """Rows swept on each of the last thirty days of the operator's calendar; one query."""
    today = now.astimezone(zone).date()
    first = today - timedelta(days=DAYS - 1)
    begins = datetime.combine(first, datetime.min.time(), tzinfo=zone)
    found = (
        SweepStep.objects.filter(dry_run=False, run__started_at__gte=begins)
        .annotate(day=TruncDate("run__started_at", tzinfo=zone))
        .values("day")
        .annotate(total=Sum("rows"))
        .values_list("day", "total")
        .order_by()
    )
    taken = dict(found)
    most = max(taken.values(), default=0)
    bars = []
    for place in range(DAYS):
        day = first + timedelta(days=place)
        rows = taken.get(day, 0)
        height = max(2, round(HEIGHT * rows / most)) if rows else 0
        bars.append(Bar(day, rows, place * WIDTH, HEIGHT - height, height))
    return bars


def lines(run: SweepRun) -> list[Line]:
    """The steps of a run; two queries, whatever there is."""
    steps = list(run.steps.select_related("brake")[:OF_ONE_RUN])
    examples = _examples(steps) if run.dry_run else {}
    return [Line(s, _chip(s), _share(s), examples.get(s.pk, "")) for s in steps]


def end_old(*, now: datetime) -> int:
    """Let old runs, brakes and accounts of days go; how many runs. Few rows, so in one go each."""
    Brake.objects.filter(closed_at__lt=now - KEPT).delete()
    DayTaken.objects.filter(day__lt=(now - KEPT).date()).delete()
    went = 0
    for dry_run, kept in ((True, COUNTED_KEPT), (False, KEPT)):
        old = SweepRun.objects.filter(dry_run=dry_run, finished_at__lt=now - kept)
        ids = list(old.order_by("started_at").values_list("pk", flat=True)[:OF_ONE_RUN])
        SweepRun.objects.filter(pk__in=ids).delete()
        went += len(ids)
    return went


def _chip(step: SweepStep) -> str:
    if step.error:
        return "broken"
    if step.braked:
        return "wait" if step.dry_run else "broken"
    return "kept" if step.finished_at else "wait"


def _share(step: SweepStep) -> float | None:
    if not step.table_rows or step.due_rows is None:
        return None
    return 100 * step.due_rows / step.table_rows


def _examples(steps: list[SweepStep]) -> dict[int, str]:
    """Step → key of the row that would go first. Asked now and never stored: it is somebody's."""
    known = {h.key: h for h in registry.holdings()}
    parts = [
        _first(known[s.holding], s)
        for s in steps
        if s.rows and s.holding in known and not _secret_key(known[s.holding])
    ]
    if not parts:
        return {}
    found = parts[0].union(*parts[1:], all=True) if len(parts) > 1 else parts[0]
    return {row["step_of"]: row["example"] for row in found}


def _first(holding: Holding, step: SweepStep) -> QuerySet[Any, dict[str, Any]]:
    rows = due_rows(holding, step).order_by(F(holding.clocks[step.clock]).asc(), "pk")
    found: QuerySet[Any, dict[str, Any]] = rows.annotate(
        step_of=Value(step.pk), example=Cast("pk", CharField())
    ).values("step_of", "example")[:1]
    return found


def _secret_key(holding: Holding) -> bool:
    key = holding.model_class._meta.pk
    return any(p.secret and key is not None and p.name == key.name for p in holding.personal)
