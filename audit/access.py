"""Who may open what: the staff decorator with reasons, and the sections pages are built from.

This room owns the question; `accounts` supplies what stands behind `has_perm`, the second factor
and the duties (undertaking, training). Sections let higher rooms put their pages onto the staff
console and the privacy centre without being imported by them. Scopes say what a key to the API may
be allowed to do. Reading a person's data as staff needs a reason and an open task: `audit.errands`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from uuid import UUID

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from audit import errands
from audit.models import StaffAccess

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A page offered on a hub.

    url: URL name. permission: needed on the staff console, empty in the privacy centre.
    order: smaller comes first. summary: optional callable from the request to a short line, for
    instance how much is waiting; one query at most. shown: optional callable that says whether the
    policy in force has it at all; without a query.
    """

    key: str
    title: Any
    text: Any
    url: str
    permission: str = ""
    order: int = 100
    summary: Callable[[HttpRequest], str] | None = None
    shown: Callable[[], bool] | None = None


@dataclass(frozen=True, kw_only=True)
class Scope:
    """One thing a key to the API may be allowed to do, `choices:read`.

    text: what the key's holder can then do, in one sentence for the key's owner.
    site: only for keys of the site's own programs, which no person can make.
    """

    key: str
    text: Any
    site: bool = False


_scopes: dict[str, Scope] = {}
_privacy_centre: dict[str, Section] = {}
_staff_console: dict[str, Section] = {}


def add_to_privacy_centre(section: Section) -> None:
    """Offer a page to signed-in people under /privacy/."""
    if section.key in _privacy_centre:
        raise ValueError(f"two privacy sections are called {section.key!r}")
    _privacy_centre[section.key] = section


def add_to_staff_console(section: Section) -> None:
    """Offer a page to staff under /staff/; it needs a permission."""
    if section.key in _staff_console:
        raise ValueError(f"two staff sections are called {section.key!r}")
    if not section.permission:
        raise ValueError(f"staff section {section.key!r} needs a permission")
    _staff_console[section.key] = section


def privacy_sections() -> list[Section]:
    """What the privacy centre offers, in order."""
    found = [s for s in _privacy_centre.values() if s.shown is None or s.shown()]
    return sorted(found, key=lambda s: (s.order, s.key))


def staff_sections(request: HttpRequest) -> list[Section]:
    """What this member of staff may open, in order."""
    sections = sorted(_staff_console.values(), key=lambda s: (s.order, s.key))
    return [s for s in sections if request.user.has_perm(s.permission)]


def add_scope(scope: Scope) -> None:
    """Let keys to the API be made for this; a room does it in its `sections.py`."""
    if scope.key in _scopes:
        raise ValueError(f"two scopes are called {scope.key!r}")
    _scopes[scope.key] = scope


def scopes() -> dict[str, Scope]:
    """Key → scope that people can give to keys of theirs, in the order of keys."""
    return {key: _scopes[key] for key in sorted(_scopes) if not _scopes[key].site}


def site_scopes() -> dict[str, Scope]:
    """Key → scope that only keys of the site's own programs can have, in the order of keys."""
    return {key: _scopes[key] for key in sorted(_scopes) if _scopes[key].site}


def staff_page(permission: str = "", *, duties: bool = True) -> Callable[[View[P]], View[P]]:
    """Let only staff with this permission, a proved second factor and their duties in force open
    the view.

    Anonymous → log-in; staff without a second factor → its set-up; without undertaking or training
    → the page that says what is missing; others → 403. What `has_perm`, `second_factor_state` and
    `missing_duties` answer is the business of `accounts`.
    permission: empty for pages that every role may open. duties: False for the page on which the
    undertaking is signed.
    """

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            closed = _closed_to(request, permission, duties=duties)
            return view(request, *args, **kwargs) if closed is None else closed

        guarded.permission = permission  # type: ignore[attr-defined]  # read by the matrix test
        guarded.duties = duties  # type: ignore[attr-defined]  # read by the matrix test
        return guarded

    return decorate


def _closed_to(request: HttpRequest, permission: str, *, duties: bool) -> HttpResponse | None:
    """Where whoever may not open the page is sent; None for who may. Raises `PermissionDenied`."""
    user: Any = request.user
    if not user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if not (user.has_perm(permission) if permission else user.is_staff_member):
        raise PermissionDenied
    state = user.second_factor_state(request)
    if state == "missing":
        return redirect("mfa_activate_totp")
    if state != "proved":
        # Logged in by password alone: the log-in page would send them straight back.
        login_url = reverse("mfa_reauthenticate")
        return redirect_to_login(request.get_full_path(), login_url=login_url)
    if duties and user.missing_duties(timezone.now()):
        return redirect("accounts:duties")
    return None


def note_access(
    *,
    request: HttpRequest,
    permission: str,
    subject_id: UUID | None,
    task: str,
    reason: str,
    now: datetime,
) -> StaffAccess:
    """Write down that staff read a person's data, before it is shown (WD-12).

    task: `kind:reference` of an errand that is open for this person, see `audit.errands`.
    reason: why, in words that the person may read. subject_id: none when nobody was found.
    Raises `PermissionDenied` for who has no role, `errands.NoTask` without an open errand.
    """
    user: Any = request.user
    if not user.staff_role or not reason.strip():
        raise PermissionDenied
    if subject_id is not None:
        errands.require_open(task=task, subject_id=subject_id, at=now)
    return StaffAccess.objects.create(
        at=now,
        staff_id=user.pk,
        role=user.staff_role,
        permission=permission,
        subject_id=subject_id,
        task=task,
        reason=reason,
    )


def personal(view: View[P]) -> View[P]:
    """Mark a page as personal: never stored by a browser or a cache, never indexed (WC-7)."""

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if isinstance(response, HttpResponse):
            response["Cache-Control"] = "private, no-store"
            response["X-Robots-Tag"] = "noindex, noarchive"
        return response

    return wrapped
