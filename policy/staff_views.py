"""The staff's board: exact figures, ids of what breaks a promise, and checking at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from audit import control
from audit.access import personal, staff_page
from audit.log import record, staff
from audit.models import Evidence
from datamap.dispatch import send_on_commit
from policy import board, current, evaluation, tasks, trail

EVIDENCE_SHOWN = 50
FILTERS = (
    ("", _("All")),
    ("broken", _("Broken")),
    ("stale", _("Not evaluated")),
    ("kept", _("Kept")),
    ("none", _("No check yet")),
)


@staff_page("audit.promises")
@personal
@require_safe
def staff_promises(request: HttpRequest) -> HttpResponse:
    """The promise board with exact figures and the way to each control's evidence."""
    version, now = current.in_force(), timezone.now()
    lines = board.lines(version=version, now=now)
    wanted = request.GET.get("state", "")
    context = {
        "lines": [line for line in lines if wanted in ("", line.state.value)],
        "figures": board.tally(lines),
        "filters": [(key, label, key == wanted) for key, label in FILTERS],
        "wanted": wanted,
        "progress": _progress(request),
        "nav_current": "staff",
    }
    return render(request, "policy/staff_promises.html", context)


@staff_page("audit.promises")
@personal
@require_safe
def staff_control(request: HttpRequest, key: str) -> HttpResponse:
    """One control's evidence, newest first, with the ids of what broke the promise."""
    found = control.controls().get(key)
    if found is None:
        raise Http404
    version, now = current.in_force(), timezone.now()
    zone = version.document.zone
    days = trail.outcomes(keys=[key], now=now, zone=zone)
    evidence = Evidence.objects.filter(control=key).order_by("-at")
    page = Paginator(evidence, EVIDENCE_SHOWN).get_page(request.GET.get("page"))
    context = {
        "control": found,
        "lines": [line for line in board.lines(version=version, now=now) if line.control is found],
        "trail": trail.drawn(key=key, outcomes=days, now=now, zone=zone),
        "page": page,
        "progress": _progress(request),
        "nav_current": "staff",
    }
    return render(request, "policy/staff_control.html", context)


@staff_page("audit.promises")
@personal
@require_POST
def check_now(request: HttpRequest) -> HttpResponse:
    """Check one control, or all, without waiting for their time."""
    version, now = current.in_force(), timezone.now()
    keys = list(evaluation.controls_in_force(version))
    key = request.POST.get("key", "")
    if key and key not in keys:
        raise Http404
    user: Any = request.user
    record(actor=staff(user.pk), verb="policy.check-asked", now=now, facts={"control": key})
    for each in [key] if key else keys:
        send_on_commit(tasks.check_promise_now, each, now.isoformat())
    where = reverse("policy:staff_control", args=[key]) if key else reverse("policy:staff_promises")
    asked = {"asked": now.isoformat(), **({"only": key} if key else {})}
    return redirect(f"{where}?{urlencode(asked)}")


def _progress(request: HttpRequest) -> dict[str, object] | None:
    """How far the checks are that were asked for at the time in the address."""
    asked_at = _instant(request.GET.get("asked", ""))
    if asked_at is None:
        return None
    version = current.in_force()
    if key := request.GET.get("only", ""):
        done, total = int(Evidence.objects.filter(control=key, at__gte=asked_at).exists()), 1
    else:
        done, total = evaluation.checked_since(version=version, asked_at=asked_at)
    text = _("%(done)d of %(total)d checked") % {"done": done, "total": total}
    return {"done": done, "total": total, "text": text, "moving": done < total}


def _instant(text: str) -> datetime | None:
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
