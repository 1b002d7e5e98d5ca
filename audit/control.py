"""`Control`: what keeps a promise, and a check on live data that can fail.

A check recomputes from independent evidence and never asks the enforcing code for its opinion;
a missing value is a violation. Each app declares its controls in `controls.py`.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models.query import RawQuerySet

from audit.models import Evidence

log = structlog.get_logger(__name__)
KEPT_IDS = 100
STATEMENT_SECONDS = 30


class Sort(enum.Enum):
    """How a check sees: over live rows, as a visitor, or from the outside."""

    QUERY = "query"
    PROBE = "probe"
    SETTING = "setting"


@dataclass(frozen=True)
class Finding:
    """What a check found.

    checked: how many things were looked at.
    violations: ids (never personal data) of those that break the promise.
    figures: further numbers for the board, such as the slowest case in seconds.
    """

    checked: int
    violations: tuple[str, ...] = ()
    figures: Mapping[str, int | float | str] = field(default_factory=dict)

    @classmethod
    def of(cls, *, checked: int, violations: Iterable[object], **figures: int | float) -> Finding:
        """A finding from any ids."""
        return cls(checked, tuple(str(v) for v in violations), figures)


@dataclass(frozen=True, kw_only=True)
class Control:
    """key: `room.what`. sentence: what it makes sure of, plainly. how: how it is checked, for
    the public board. every: evidence older than twice this shows as not evaluated.
    check: gets `now`, returns a `Finding`; query checks run read-only under a time limit,
    probes inside a transaction that is rolled back.
    """

    key: str
    sentence: Any
    how: Any
    sort: Sort
    check: Callable[[datetime], Finding]
    every: timedelta = timedelta(days=1)


class DuplicateControl(ValueError):
    """Two controls use one key."""


_controls: dict[str, Control] = {}


def declare(*controls: Control) -> None:
    """Register controls. Raises `DuplicateControl`."""
    for control in controls:
        if control.key in _controls:
            raise DuplicateControl(f"two controls are called {control.key!r}")
        _controls[control.key] = control


def controls() -> dict[str, Control]:
    """Key → control, for everything installed."""
    return dict(_controls)


def evaluate(*, control: Control, now: datetime, policy_digest: str = "") -> Evidence:
    """Run one check and store its evidence; a check that raises is stored as failed."""
    started = time.monotonic()
    try:
        finding = _run(control, now)
    except Exception as error:  # noqa: BLE001  a check may fail in any way; that is a finding
        # The exception's text may quote rows, so only its class is kept.
        log.error("control failed", control=control.key, error=type(error).__name__)
        finding, outcome = Finding(0, (), {}), Evidence.Outcome.FAILED
        figures: dict[str, Any] = {"error": type(error).__name__}
    else:
        figures = dict(finding.figures)
        outcome = Evidence.Outcome.BROKEN if finding.violations else Evidence.Outcome.KEPT
    return Evidence.objects.create(
        control=control.key,
        at=now,
        outcome=outcome,
        checked=finding.checked,
        violations=len(finding.violations),
        violation_ids=list(finding.violations[:KEPT_IDS]),
        figures=figures,
        policy_digest=policy_digest,
        milliseconds=round((time.monotonic() - started) * 1000),
    )


def _run(control: Control, now: datetime) -> Finding:
    if control.sort is Sort.SETTING:
        return control.check(now)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'")
            if control.sort is Sort.QUERY:
                cursor.execute("SET LOCAL transaction_read_only = on")
        finding = control.check(now)
        transaction.set_rollback(True)
    return finding


def latest(keys: Iterable[str]) -> dict[str, Evidence]:
    """Control key → its newest evidence, in one query; keys without evidence are left out."""
    # DISTINCT ON would read all evidence there is; this takes one step of the index per key.
    newest: RawQuerySet[Evidence] = Evidence.objects.raw(
        "SELECT newest.* FROM unnest(%s::text[]) AS wanted (key) CROSS JOIN LATERAL ("
        " SELECT * FROM audit_evidence WHERE control = wanted.key ORDER BY at DESC LIMIT 1"
        ") AS newest",
        [list(keys)],
    )
    return {evidence.control: evidence for evidence in newest}


def is_stale(*, control: Control, evidence: Evidence, now: datetime) -> bool:
    """Whether the evidence is too old to say anything about today."""
    return now - evidence.at > 2 * control.every
