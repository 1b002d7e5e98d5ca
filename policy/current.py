"""Which version is in force, known to every process without a query per request.

The danger: pages that show one version while another is enforced, and a query on every page of
people who only look. The design:

- A process remembers (`policy.memory`) all versions, small rows without their text, and the
  documents it used, and picks by time, so a version that waits for its notice takes over on the
  second. A look is one indexed query for the newest number; only a new number loads more.
- Publishing forgets them in its own process at once.
- Whoever writes what depends on the version (consent, submissions) asks `fresh()`, which reads in
  the caller's own transaction.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Max
from django.utils import timezone

from policy.document import Document
from policy.memory import Remembered
from policy.models import PolicyVersion


class NoPolicy(LookupError):
    """No policy is in force: none was published yet, or none before that instant."""

    def __init__(self) -> None:
        super().__init__("no policy is in force; publish one with `manage.py publish_policy FILE`")


def in_force(now: datetime | None = None) -> PolicyVersion:
    """The version in force at `now`, from memory. Raises `NoPolicy`."""
    now = now or timezone.now()
    for version in versions():
        if version.effective_at <= now:
            return version
    raise NoPolicy


def document(now: datetime | None = None) -> Document:
    """The contents of the version in force. Raises `NoPolicy`."""
    return in_force(now).document


def fresh(now: datetime | None = None) -> PolicyVersion:
    """The version in force as the caller's transaction sees it: one query. Raises `NoPolicy`."""
    now = now or timezone.now()
    version = PolicyVersion.objects.filter(effective_at__lte=now).order_by("-number").first()
    if version is None:
        raise NoPolicy
    return version


def versions() -> tuple[PolicyVersion, ...]:
    """Every published version, newest first, from memory; their texts load when asked for."""
    return _versions.value()


def forget() -> None:
    """Look again at the next question."""
    _versions.forget()


def _look(known: tuple[PolicyVersion, ...] | None) -> tuple[PolicyVersion, ...]:
    """One query while nothing new was published."""
    if known is not None:
        newest = PolicyVersion.objects.aggregate(newest=Max("number"))["newest"] or 0
        if newest == (known[0].number if known else 0):
            return known
    found = tuple(PolicyVersion.objects.defer("source").order_by("-number"))
    for version in _soon_needed(found):
        version.refresh_from_db(fields=["source"])
        _ = version.document
    return found


def _soon_needed(found: tuple[PolicyVersion, ...]) -> list[PolicyVersion]:
    """The version in force and those that wait behind it: their texts are read beforehand."""
    needed, now = [], timezone.now()
    for version in found:
        needed.append(version)
        if version.effective_at <= now:
            break
    return needed


_versions = Remembered(_look)
