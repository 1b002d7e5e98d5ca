"""Evaluating the promises of the policy in force: which controls, when, and their evidence."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from audit import control
from audit.models import Evidence
from policy.models import PolicyVersion

DUE_AT = 0.5  # share of a control's interval after which it is evaluated again


@dataclass(frozen=True)
class Evaluated:
    """A control's newest evidence and the promises it keeps."""

    control: control.Control
    promises: tuple[str, ...]
    evidence: Evidence


class UnknownControl(LookupError):
    """The policy in force has no promise kept by such a control."""

    def __init__(self, key: str, known: Collection[str]) -> None:
        self.key, self.known = key, sorted(known)
        super().__init__(f"no promise in force is kept by {key!r}; {', '.join(self.known)} are")


def controls_in_force(version: PolicyVersion) -> dict[str, tuple[str, ...]]:
    """Control key → ids of the promises it keeps; only controls that are installed."""
    installed = control.controls()
    found: dict[str, tuple[str, ...]] = {}
    for promise in version.document.promises:
        if promise.control in installed:
            assert promise.control is not None
            found[promise.control] = (*found.get(promise.control, ()), promise.id)
    return found


def evaluate(*, version: PolicyVersion, now: datetime, only: str | None = None) -> list[Evaluated]:
    """Evaluate every control in force, or one of them. Raises `UnknownControl`."""
    in_force = controls_in_force(version)
    if only is not None and only not in in_force:
        raise UnknownControl(only, in_force)
    return [
        Evaluated(found := control.controls()[key], promises, _evaluate(found, version, now))
        for key, promises in in_force.items()
        if only in (None, key)
    ]


def due(*, version: PolicyVersion, now: datetime) -> list[str]:
    """Controls in force without evidence under this version that is fresh enough. One query."""
    keys, installed = list(controls_in_force(version)), control.controls()
    latest = control.latest(keys)
    return [key for key in keys if _is_due(installed[key], latest.get(key), version, now)]


def evaluate_if_due(*, key: str, version: PolicyVersion, now: datetime) -> Evidence | None:
    """Evaluate a control unless its evidence is fresh or somebody else is at it."""
    if key not in controls_in_force(version):
        return None
    found = control.controls()[key]
    with transaction.atomic():
        if not _mine(key):
            return None
        newest = Evidence.objects.filter(control=key).order_by("-at").first()
        if not _is_due(found, newest, version, now):
            return None
        return _evaluate(found, version, now)


def evaluate_newer(
    *, key: str, version: PolicyVersion, asked_at: datetime, now: datetime
) -> Evidence | None:
    """Evaluate a control because somebody asked, unless that was done since they asked."""
    if key not in controls_in_force(version):
        return None
    found = control.controls()[key]
    with transaction.atomic():
        if not _mine(key):
            return None
        if Evidence.objects.filter(control=key, at__gte=asked_at).exists():
            return None
        return _evaluate(found, version, now)


def checked_since(*, version: PolicyVersion, asked_at: datetime) -> tuple[int, int]:
    """How many controls in force have evidence of then or later, and how many there are."""
    keys = list(controls_in_force(version))
    fresh = Evidence.objects.filter(control__in=keys, at__gte=asked_at)
    return fresh.order_by().values("control").distinct().count(), len(keys)


def _mine(key: str) -> bool:
    """Whether nobody else evaluates this control; until the end of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtext('policy.evaluate'), hashtext(%s))", [key]
        )
        (mine,) = cursor.fetchone()
    return bool(mine)


def _evaluate(found: control.Control, version: PolicyVersion, now: datetime) -> Evidence:
    return control.evaluate(control=found, now=now, policy_digest=version.digest)


def _is_due(
    found: control.Control, newest: Evidence | None, version: PolicyVersion, now: datetime
) -> bool:
    if newest is None or newest.policy_digest != version.digest:
        return True
    return now - newest.at >= found.every * DUE_AT
