"""What a privacy administrator decides about a rule that the brake holds; see `retention.brake`."""

from __future__ import annotations

import math
from datetime import datetime
from uuid import UUID

from celery import current_app
from django.db import transaction
from django.db.models import F

from accounts.models import User
from audit.log import record, staff
from datamap.dispatch import send_on_commit
from retention import brake, rules, ticks
from retention.models import Brake

TASK = "retention.sweep"
A_NIGHT_MORE = 1.1  # more becomes due between the look and the sweep
S = Brake.State


class Moved(RuntimeError):
    """Somebody decided meanwhile, or another number waits now; `state`, `rows` are today's."""

    def __init__(self, found: Brake) -> None:
        self.state, self.rows = found.state, found.rows
        super().__init__(f"this brake is {found.state} at {found.rows} rows")


class RuleChanged(RuntimeError):
    """The rule in force is another one than the one that was braked."""


def release(*, brake_id: UUID, shown: int, reason: str, decider: User, now: datetime) -> Brake:
    """Let the braked rule go, once, for the rows shown and a tenth more; the sweep comes at once.

    shown: the number of rows the decider saw. Raises `Moved`, `RuleChanged`, `Brake.DoesNotExist`.
    """
    found = Brake.objects.get(pk=brake_id)
    if not _in_force(found, now):
        raise RuleChanged
    with transaction.atomic():
        found = _decide(
            found,
            states=(S.WAITING, S.STOPPED),
            shown=shown,
            state=S.RELEASED,
            allowance=F("taken") + math.ceil(shown * A_NIGHT_MORE),
            released_until=now + brake.RELEASE_LASTS,
            reason=reason,
            decided_by=decider.pk,
            decided_at=now,
        )
        _note(found, verb="retention.brake-released", decider=decider, now=now)
        ticks.hurry(name=TASK, now=now)
        send_on_commit(current_app.tasks[TASK])
    return found


def stop(*, brake_id: UUID, shown: int, reason: str, decider: User, now: datetime) -> Brake:
    """Keep the rule stopped until it is changed or let go; takes back a release that is not used.

    Raises `Moved`, `Brake.DoesNotExist`.
    """
    with transaction.atomic():
        found = _decide(
            Brake.objects.get(pk=brake_id),
            states=(S.WAITING, S.RELEASED),
            shown=shown,
            state=S.STOPPED,
            reason=reason,
            decided_by=decider.pk,
            decided_at=now,
        )
        _note(found, verb="retention.brake-stopped", decider=decider, now=now)
    return found


def _decide(found: Brake, *, states: tuple[S, ...], shown: int, **fields: object) -> Brake:
    """One conditional update, so that of several decisions one is made."""
    moved = Brake.objects.filter(pk=found.pk, state__in=states, rows=shown).update(**fields)
    found.refresh_from_db()
    if not moved:
        raise Moved(found)
    return found


def _in_force(found: Brake, now: datetime) -> bool:
    kind = (found.holding, found.clock, found.action)
    digests = {
        due.rule_digest
        for due in rules.due(now=now, versions=rules.published(now))
        if (due.holding, due.clock, due.action) == kind
    }
    return found.digest == brake.digest_of(digests)


def _note(found: Brake, *, verb: str, decider: User, now: datetime) -> None:
    record(
        actor=staff(decider.pk),
        verb=verb,
        now=now,
        object=found,
        facts={
            "holding": found.holding,
            "clock": found.clock,
            "rule": found.digest,
            "rows": found.rows,
            "allowance": found.allowance,
        },
    )
