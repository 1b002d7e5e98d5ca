"""The front page and the two hubs; what stands on the hubs comes from the rooms."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from audit.access import Section, personal, privacy_sections, staff_page, staff_sections
from policy import board, current
from policy.models import PolicyVersion
from requests.wording import moment


@dataclass(frozen=True)
class Door:
    """A section with what it says about itself today."""

    section: Section
    summary: str


@require_safe
def front(request: HttpRequest) -> HttpResponse:
    """What this site is, the way in, and whether it keeps its promises right now."""
    now = timezone.now()
    try:
        version = current.in_force(now)
    except current.NoPolicy:
        return render(request, "config/front.html", {"version": None})
    lines = board.lines(version=version, now=now)
    context = {
        "version": version,
        "figures": board.tally(lines),
        "broken": [line for line in lines if line.state is board.State.BROKEN],
        "checked": _last_checked(lines, version),
    }
    return render(request, "config/front.html", context)


@personal
@login_required
@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    """Everything a person can see and decide, by room."""
    doors = _doors(request, privacy_sections())
    return render(request, "config/privacy.html", {"doors": doors, "nav_current": "privacy"})


@personal
@staff_page()
@require_safe
def staff(request: HttpRequest) -> HttpResponse:
    """What this member of staff may open."""
    doors = _doors(request, staff_sections(request))
    return render(request, "config/staff.html", {"doors": doors, "nav_current": "staff"})


def _doors(request: HttpRequest, sections: list[Section]) -> list[Door]:
    return [Door(each, each.summary(request) if each.summary else "") for each in sections]


def _last_checked(lines: list[board.Line], version: PolicyVersion) -> str:
    """When the newest evidence was found, on the operator's clock; empty when there is none."""
    times = [line.evidence.at for line in lines if line.evidence is not None]
    return moment(max(times), version.document.zone) if times else ""
