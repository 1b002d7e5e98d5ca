"""Pages for staff about sweeps: what they did, what they would do, what the brake holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from celery import current_app
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from audit.access import personal, staff_page
from datamap.dispatch import send_on_commit
from policy import current
from retention import brake, brake_decisions, overview, sweep_history, sweep_runs
from retention.forms import BrakeForm
from retention.models import Brake, SweepRun
from retention.sweep import join

VIEW, DECIDE = "retention.view", "retention.sweep"
AT_ONCE = timedelta(seconds=1)  # so long a request counts by itself; then a worker goes on


@personal
@staff_page(VIEW)
@require_GET
def sweeps(request: HttpRequest) -> HttpResponse:
    """The rules in force with what the last sweep did for each."""
    return render(request, "retention/sweeps.html", overview.page(now=timezone.now()))


@personal
@staff_page(VIEW)
@require_GET
def run_list(request: HttpRequest) -> HttpResponse:
    """All sweeps, newest first."""
    page = Paginator(sweep_history.runs(), 50).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "runs": [(run, overview.RUN_CHIPS[SweepRun.State(run.state)]) for run in page],
        "zone": current.document(timezone.now()).zone,
        "nav_current": "staff",
    }
    return render(request, "retention/runs.html", context)


@personal
@staff_page(VIEW)
@require_GET
def run(request: HttpRequest, reference: str) -> HttpResponse:
    """One sweep, or one count of what would go, step by step; while it runs, as far as it is."""
    found = get_object_or_404(SweepRun, reference=reference)
    lines = sweep_history.lines(found)
    context = {
        "run": found,
        "chip": overview.RUN_CHIPS[SweepRun.State(found.state)],
        "open": found.state in SweepRun.OPEN,
        "lines": lines,
        "rows": sum(line.step.rows for line in lines),
        "done": sum(line.step.finished_at is not None for line in lines),
        "zone": current.document(timezone.now()).zone,
        "nav_current": "staff",
    }
    return render(request, "retention/run.html", context)


@personal
@staff_page(VIEW)
@require_POST
def dry_run(request: HttpRequest) -> HttpResponse:
    """Count what a sweep would do now; nothing is changed. What takes long a worker counts."""
    now = timezone.now()
    counting = sweep_runs.begin(now=now, dry_run=True)
    seconds = AT_ONCE.total_seconds()
    found = join(run_id=counting.pk, now=now, budget=AT_ONCE, count_seconds=seconds)
    if found.state in SweepRun.OPEN:
        send_on_commit(current_app.tasks[brake_decisions.TASK])
    return redirect("retention:run", reference=counting.reference)


@personal
@staff_page(VIEW)
@require_GET
def brake_page(request: HttpRequest, reference: str) -> HttpResponse:
    """What the brake holds, and the decision about it."""
    found = get_object_or_404(Brake, reference=reference)
    return render(request, "retention/brake.html", _brake_context(request, found))


@personal
@staff_page(DECIDE)
@require_POST
def release_brake(request: HttpRequest, reference: str) -> HttpResponse:
    """Let the rule go, once."""
    words = _("Let go. The sweep takes these rows within the next minutes.")
    return _decide(request, reference, "release", brake_decisions.release, words)


@personal
@staff_page(DECIDE)
@require_POST
def stop_brake(request: HttpRequest, reference: str) -> HttpResponse:
    """Keep the rule stopped."""
    words = _("Stopped. Nothing of this goes until you let it go, or a stricter rule is published.")
    return _decide(request, reference, "stop", brake_decisions.stop, words)


def _decide(
    request: HttpRequest, reference: str, name: str, decide: Callable[..., Brake], words: str
) -> HttpResponse:
    found = get_object_or_404(Brake, reference=reference)
    form = BrakeForm(request.POST, prefix=name)
    if not form.is_valid():
        context = _brake_context(request, found, **{f"{name}_form": form})
        return render(request, "retention/brake.html", context, status=400)
    try:
        decide(
            brake_id=found.pk,
            decider=cast(User, request.user),
            now=timezone.now(),
            **form.cleaned_data,
        )
        messages.success(request, words)
    except brake_decisions.Moved:
        messages.error(request, _("Not done: it was decided meanwhile, or the number changed."))
    except brake_decisions.RuleChanged:
        messages.error(request, _("Not done: the policy has another rule now."))
    return redirect("retention:brake", reference=reference)


def _brake_context(request: HttpRequest, found: Brake, **forms: BrakeForm) -> dict[str, Any]:
    shown = {"shown": found.rows}
    return {
        "brake": found,
        "share": 100 * found.rows / found.table_rows if found.table_rows else None,
        "rule": brake.rule_of(found, now=timezone.now()),
        "may_decide": request.user.has_perm(DECIDE),
        "release_form": BrakeForm(prefix="release", initial=shown),
        "stop_form": BrakeForm(prefix="stop", initial=shown),
        "zone": current.document(timezone.now()).zone,
        "nav_current": "staff",
        **forms,
    }
