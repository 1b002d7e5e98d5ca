"""Public pages about the policy: they need no query and can be revalidated."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from policy import board, current, datapage, history, trail
from policy.models import PolicyVersion

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]
_bodies: dict[tuple[str, str | None], SafeString] = {}


def public(view: View[P]) -> View[P]:
    """A page for everybody: caches may keep it but ask each time whether it is still so.

    Before the first publication it says so with status 503.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            response = view(request, *args, **kwargs)
        except current.NoPolicy:
            return render(request, "policy/none.html", status=503)
        return _revalidated(request, response)

    return require_safe(wrapped)


def _revalidated(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The answer with its tag, or "not modified" to whoever has it already."""
    etag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    response["ETag"] = etag
    known = settings.SESSION_COOKIE_NAME in request.COOKIES
    response["Cache-Control"] = "private, no-cache" if known else "public, no-cache"
    patch_vary_headers(response, ["Cookie", "Accept-Language"])
    if response.status_code != 200:
        return response
    conditional = get_conditional_response(request, etag=etag, response=response)
    assert isinstance(conditional, HttpResponse)
    return conditional


@public
def policy(request: HttpRequest) -> HttpResponse:
    """The policy in readable words, made from the document in force."""
    version = current.in_force()
    context = {"version": version, "document": version.document, "body": _body(version)}
    return render(request, "policy/policy.html", context | _coming())


@public
def versions(request: HttpRequest) -> HttpResponse:
    """Every version, newest first, with what it changed."""
    in_force = current.in_force()
    entries = [history.entry(v, in_force=in_force) for v in current.versions()]
    context = {"entries": entries, "nav_current": "policy"}
    return render(request, "policy/versions.html", context)


@public
def version(request: HttpRequest, which: str) -> HttpResponse:
    """One version: when it counted, what it changed, its text."""
    chosen = _version(which)
    entry = history.entry(chosen, in_force=current.in_force())
    rows = history.text_difference(entry)
    context = {"entry": entry, "rows": rows, "nav_current": "policy"}
    return render(request, "policy/version.html", context)


@public
def source(request: HttpRequest, which: str) -> HttpResponse:
    """The file as it was published, byte for byte."""
    chosen = _version(which)
    response = HttpResponse(chosen.source.encode(), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'inline; filename="{chosen.site}-{chosen.digest[:12]}.toml"'
    return response


@public
def data(request: HttpRequest) -> HttpResponse:
    """The data map: what is kept about people, where it comes from, how long."""
    document = current.document()
    context = {"rooms": datapage.offered(document), "document": document}
    return render(request, "policy/data.html", context)


@public
def promises(request: HttpRequest) -> HttpResponse:
    """The promise board."""
    version = current.in_force()
    lines = board.lines(version=version, now=timezone.now())
    context = {"lines": lines, "figures": board.tally(lines), "version": version}
    return render(request, "policy/promises.html", context)


@public
def promise(request: HttpRequest, promise_id: str) -> HttpResponse:
    """One promise: whether it is kept, how that is checked, and how it fared day by day."""
    version, now = current.in_force(), timezone.now()
    line = board.line(version=version, promise_id=promise_id, now=now)
    if line is None:
        raise Http404
    context = {"line": line, "version": version, "nav_current": "promises"}
    if line.control is not None:
        days, zone = trail.remembered(), version.document.zone
        context["trail"] = trail.drawn(key=line.control.key, outcomes=days, now=now, zone=zone)
    return render(request, "policy/promise.html", context)


@public
def accent(request: HttpRequest) -> HttpResponse:
    """The operator's colours, over those of the stylesheet."""
    site = current.document().site
    css = f":root {{\n  --accent: light-dark({site.accent}, {site.accent_dark});\n}}\n"
    return HttpResponse(css, content_type="text/css; charset=utf-8")


def _version(which: str) -> PolicyVersion:
    """By digest, or by label (the newest of that name). Raises Http404."""
    for version in current.versions():
        if which in (version.digest, version.version):
            return version
    raise Http404


def _body(version: PolicyVersion) -> SafeString:
    """The policy's text, drawn once per version and language in each process."""
    key = (version.digest, get_language())
    if key not in _bodies:
        context = {"document": version.document}
        drawn = render_to_string("policy/_document.html", context)
        _bodies[key] = mark_safe(drawn)  # noqa: S308  drawn by our own escaping template
    return _bodies[key]


def _coming() -> dict[str, PolicyVersion | None]:
    """The version that waits for its notice to end, if there is one."""
    newest = current.versions()[0]
    return {"coming": newest if newest.effective_at > timezone.now() else None}
