"""Requests for tests, made through the room's own functions."""

from __future__ import annotations

from datetime import UTC, datetime

from accounts.models import User
from audit.log import person
from requests import intake, package_orders, review
from requests.models import Package, Request
from retention import erase, erase_worker

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


def asked(user: User, *, now: datetime = NOW) -> Request:
    """The person's open request for deletion."""
    return asked_with_link(user, now=now)[0]


def asked_with_link(user: User, *, now: datetime = NOW) -> tuple[Request, str]:
    """The same with the token of its status page."""
    return intake.open_deletion(subject=user.subject, actor=person(user.subject_id), now=now)


def approved(user: User, reviewer: User, *, now: datetime = NOW) -> Request:
    """A request that a reviewer approved."""
    return review.approve(request_id=asked(user, now=now).pk, reviewer=reviewer, now=now)


def erased(user: User, reviewer: User, *, now: datetime = NOW) -> Request:
    """A request that was carried out."""
    request = approved(user, reviewer, now=now)
    assert request.undo_until is not None
    erase_worker.work(now=request.undo_until)
    request.refresh_from_db()
    return request


def copy_asked(user: User, *, now: datetime = NOW, kind: str = Request.Kind.ACCESS) -> Request:
    """The person's open request for a copy."""
    return copy_asked_with_link(user, now=now, kind=kind)[0]


def copy_asked_with_link(
    user: User, *, now: datetime = NOW, kind: str = Request.Kind.ACCESS
) -> tuple[Request, str]:
    """The same with the token of its status page."""
    return intake.open_request(
        subject=user.subject, kind=kind, actor=person(user.subject_id), now=now
    )


def copy_approved(user: User, reviewer: User, *, now: datetime = NOW) -> Request:
    """A request for a copy that a reviewer approved; nobody has made it yet."""
    return review.approve(request_id=copy_asked(user, now=now).pk, reviewer=reviewer, now=now)


def copy_made(user: User, reviewer: User, *, now: datetime = NOW) -> Package:
    """A copy that waits to be downloaded."""
    request = copy_approved(user, reviewer, now=now)
    package_orders.work(now=now)
    return Package.objects.select_related("request").get(request=request)


def preview_rows(user: User) -> dict[str, int]:
    """Holding → rows an erasure would take now."""
    found = erase.preview(subject_id=user.subject_id)
    return {step.holding: step.rows for step in found}
