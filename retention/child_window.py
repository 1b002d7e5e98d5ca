"""How long a locked person's window stays open, and by when everything is gone after it.

The window is the policy's time to object. It lasts longer while a parent is asked, and as it would
have otherwise once the parent refuses; the erasure's limit moves along.
"""

from __future__ import annotations

from datetime import datetime

from audit.log import SYSTEM, record
from policy import current
from retention.models import ChildCase


def end_of_contest(*, learned_at: datetime, now: datetime) -> datetime:
    """When the time to object is over, by the policy in force."""
    document = current.fresh(now).document
    return document.age.contest.after(
        learned_at, zone=document.zone, holidays=document.site.holidays
    )


def end_of_erasure(contest_until: datetime, *, now: datetime) -> datetime:
    """By when everything is gone, by the policy in force."""
    document = current.fresh(now).document
    return document.age.erase_within.after(
        contest_until, zone=document.zone, holidays=document.site.holidays
    )


def extend(case: ChildCase, *, until: datetime | None, now: datetime) -> None:
    """Let the window last until a parent's time is over, if that is later."""
    later = max(case.contest_until, until or now)
    _set(case, contest_until=later, verb="retention.child-waits-for-parent", now=now)


def shorten(case: ChildCase, *, now: datetime) -> None:
    """The window ends as it would have without the parent; not in the past."""
    own = max(end_of_contest(learned_at=case.learned_at, now=now), now)
    _set(case, contest_until=own, verb="retention.child-parent-refused", now=now)


def _set(case: ChildCase, *, contest_until: datetime, verb: str, now: datetime) -> None:
    erase_by = end_of_erasure(contest_until, now=now)
    ChildCase.objects.filter(pk=case.pk).update(contest_until=contest_until, erase_by=erase_by)
    record(
        actor=SYSTEM,
        verb=verb,
        now=now,
        object=case,
        subject_id=case.subject_id,
        facts={"contest_until": contest_until.isoformat(), "erase_by": erase_by.isoformat()},
    )
