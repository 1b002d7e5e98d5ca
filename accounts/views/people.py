"""Other people's pages, as far as they show them, and finding people."""

from __future__ import annotations

from typing import Any, Final

from csp.decorators import csp_replace
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts import people, photos
from accounts.guards import searching
from accounts.views.profiles import lines
from accounts.visibility import Reach, Shown, offered, viewer_of
from policy import current

# Opened by itself a photo may do nothing, whatever a browser takes it for.
PHOTO_ALONE: Final[dict[str, Any]] = {
    "default-src": ["'none'"],
    "sandbox": [""],
    **dict.fromkeys(
        (
            "connect-src",
            "font-src",
            "img-src",
            "manifest-src",
            "object-src",
            "require-trusted-types-for",
            "script-src",
            "style-src",
            "trusted-types",
        )
    ),
}


@require_safe
def person(request: HttpRequest, handle: str) -> HttpResponse:
    """Somebody's page: what this viewer may see, or 404 as for nobody (WC-6, WC-17)."""
    shown = _shown(request, handle)
    context = {
        "shown": shown,
        "lines": lines(shown),
        "is_me": shown.reach is Reach.OWNER,
        "may_act": request.user.is_authenticated and shown.reach is not Reach.OWNER,
    }
    return render(request, "accounts/person.html", context)


# The stub knows only views without arguments.
@csp_replace(PHOTO_ALONE)  # type: ignore[arg-type]
@require_safe
def photo(request: HttpRequest, handle: str) -> HttpResponse:
    """Somebody's photo, by the same decision as their page."""
    name = _shown(request, handle).values.get("photo")
    try:
        content = photos.content(name or "")
    except (FileNotFoundError, IsADirectoryError):
        raise Http404 from None
    response = HttpResponse(content, content_type="image/jpeg")
    response["Content-Disposition"] = 'inline; filename="photo.jpg"'
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


@login_required
@require_safe
@searching
def search(request: HttpRequest) -> HttpResponse:
    """Find people by what they show this viewer."""
    now = timezone.now()
    if not offered(current.document(now)):
        raise Http404
    text = request.GET.get("q", "")
    context = {
        "q": text[: people.LONGEST],
        "asked": bool(text.strip()),
        "too_short": bool(text.strip()) and not people.words_of(text),
        "found": people.search(text=text, viewer=viewer_of(request), now=now),
        "most": people.MOST,
        "shortest": people.SHORTEST,
    }
    return render(request, "accounts/people.html", context)


def _shown(request: HttpRequest, handle: str) -> Shown:
    shown = people.by_handle(handle=handle, viewer=viewer_of(request), now=timezone.now())
    if shown is None:
        raise Http404
    return shown
