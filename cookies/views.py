"""The page that lists what the site keeps in browsers."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from cookies import inventory
from policy import current


@require_safe
def cookies(request: HttpRequest) -> HttpResponse:
    """Every cookie the policy in force declares: what for, from whom, how long."""
    context = {"groups": inventory.groups(current.document())}
    return render(request, "cookies/cookies.html", context)
