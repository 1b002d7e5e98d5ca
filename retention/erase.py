"""Erasing a person: started once, carried out in steps, verified, then and only then told.

The danger. An erasure that stops half way leaves a person half erased while everybody believes it
is done. One that runs twice, or twice at once, counts wrong or trips over itself. One that follows
a reference too far takes somebody else's data. One that trusts its own list forgets the table that
was added last week, and nobody ever looks again.

The design.
- An erasure is a row. Its state, its steps and their counts live in Postgres, and every count
  grows in the transaction that removes the rows it counts. The queue only says "look".
- Workers claim due erasures in batches by a conditional update with SKIP LOCKED and a lease. A
  worker that dies leaves a lease behind; when it ends the next worker goes on with the first step
  that is not done. Removing is idempotent and rows are counted by whoever removed them, so even a
  worker that overslept its lease does no harm. Only the holder of the claim may finish.
- Beginning locks the person and ends their sessions, so that nothing new is written for them.
- Steps are the holdings, in the order of foreign keys and of `after`; each takes bounded bites of
  rows of the whole batch, one short transaction each. What lies outside the database goes before
  its row does. A row that is another person's, too, (`also`) only loses this person.
- Tables with a holding of their own are never reached through a reference: what then still refers
  to a row is somebody else's, and the database refuses. That erasure is counted as failed, is
  tried again alone and later each time, and raises an alarm.
- Somebody may have two subjects (`datamap.same_person`). An erasure begun for one begins one for
  each of the others, with a reason of its own, and does not end before they have.
- The end is a question, not an assumption: with the subject's row locked, which makes every writer
  of new rows wait, all holdings are asked again. One that does not answer zero sends the erasure
  back. If all do, the subject's `erased_at`, the tombstone, the audit entry, the erasure's end and
  whatever receivers of `retention.signals.erased` write are one transaction.

GDPR 17(1), 19; PROMISES WC-15, WA-13, CC-27.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from celery import current_app
from django.db import transaction

from audit.log import Actor, record, record_many
from audit.models import AuditEntry
from datamap.counting import count
from datamap.dispatch import send_on_commit
from datamap.holding import Erasing
from datamap.models import Subject
from datamap.same_person import same_person
from retention import one_person
from retention.dependents import erasing_order
from retention.erase_steps import left_rows
from retention.erase_worker import Worked, work
from retention.models import Erasure
from retention.one_person import SAME_PERSON

__all__ = [
    "AlreadyBegun",
    "StepPreview",
    "Worked",
    "cancel",
    "preview",
    "start",
    "start_many",
    "work",
]
TASK = "retention.erase"


class AlreadyBegun(RuntimeError):
    """The erasure can't be cancelled any more; `state` is where it is."""

    def __init__(self, state: str) -> None:
        self.state = state
        super().__init__(f"this erasure is {state}")


@dataclass(frozen=True)
class StepPreview:
    """What an erasure would do to one holding: rows that go, rows that stay and on which ground."""

    holding: str
    title: Any
    action: str
    rows: int
    kept: int
    ground: str


def preview(*, subject_id: uuid.UUID) -> list[StepPreview]:
    """What erasing this person would do, in the order it would happen; nothing is changed.
    Three queries, whatever the number of holdings.
    """
    order, subject_ids = erasing_order(), same_person(subject_id)
    going = count({h.key: left_rows(h, subject_ids) for h in order})
    total = count({h.key: h.rows_of(subject_ids) for h in order})
    found = []
    for holding in order:
        rows = going.get(holding.key, 0)
        keeps = holding.erasing is Erasing.KEEP or bool(holding.spare)
        kept = total.get(holding.key, 0) - rows if keeps else 0
        ground = holding.ground if kept else ""
        title = holding.staff_title or holding.title
        found.append(StepPreview(holding.key, title, holding.erasing.value, rows, kept, ground))
    return found


def start(
    *,
    subject_id: uuid.UUID,
    reason: str,
    actor: Actor,
    now: datetime,
    due_at: datetime | None = None,
    deadline: datetime | None = None,
) -> Erasure:
    """Have this person erased from `due_at` on (at once without one), under all their subjects.

    Starting again gives the erasure there is: an open one, brought forward if this one is due
    earlier, or the finished one when nothing has been stored about the person since. Raises
    `Subject.DoesNotExist`.
    """
    asked = Erasure(
        reason=reason,
        asked_by_kind=actor.kind,
        asked_by=actor.id,
        asked_at=now,
        due_at=due_at or now,
        deadline=deadline,
    )
    with transaction.atomic():
        everybody = same_person(subject_id)
        # Locked in one order, so that two who begin with different ones don't wait for each other.
        rows = Subject.objects.select_for_update().filter(pk__in=everybody).order_by("pk")
        subjects = {subject.pk: subject for subject in rows}
        if subject_id not in subjects:
            raise Subject.DoesNotExist
        for other in everybody[1:]:
            _start_one(subjects[other], asked=asked, reason=SAME_PERSON, actor=actor, now=now)
        erasure = _start_one(subjects[subject_id], asked=asked, reason=reason, actor=actor, now=now)
        if erasure.due_at <= now:
            send_on_commit(current_app.tasks[TASK])
    return erasure


def _start_one(
    subject: Subject, *, asked: Erasure, reason: str, actor: Actor, now: datetime
) -> Erasure:
    """The erasure of one subject: the one there is, or a new one as `asked`."""
    existing = _existing(subject=subject, due_at=asked.due_at, deadline=asked.deadline)
    if existing is not None:
        return existing
    erasure = Erasure.objects.create(
        subject=subject,
        reason=reason,
        asked_by_kind=asked.asked_by_kind,
        asked_by=asked.asked_by,
        asked_at=asked.asked_at,
        due_at=asked.due_at,
        deadline=asked.deadline,
    )
    record(
        actor=actor,
        verb="retention.erasure-started",
        now=now,
        object=erasure,
        subject_id=subject.pk,
        facts={"reason": reason, "due_at": asked.due_at.isoformat()},
    )
    return erasure


def start_many(
    *, subject_ids: Iterable[uuid.UUID], reason: str, actor: Actor, now: datetime
) -> int:
    """Have many people erased, in four statements; those under way already are left alone.

    Each under this subject alone: a period ends what is kept under one address.
    """
    wanted = [
        Erasure(
            subject_id=subject_id,
            reason=reason,
            asked_by_kind=actor.kind,
            asked_by=actor.id,
            asked_at=now,
            due_at=now,
        )
        for subject_id in dict.fromkeys(subject_ids)
    ]
    with transaction.atomic():
        Erasure.objects.bulk_create(wanted, ignore_conflicts=True)
        made = Erasure.objects.filter(pk__in=[e.pk for e in wanted]).values_list("pk", "subject_id")
        entries = [
            AuditEntry(
                at=now,
                actor_kind=actor.kind,
                actor_id=actor.id,
                verb="retention.erasure-started",
                object_type=Erasure._meta.label_lower,
                object_id=str(pk),
                subject_id=subject_id,
                facts={"reason": reason, "due_at": now.isoformat()},
            )
            for pk, subject_id in made
        ]
        record_many(entries)
        send_on_commit(current_app.tasks[TASK])
    return len(entries)


def cancel(*, erasure_id: uuid.UUID, actor: Actor, now: datetime) -> Erasure:
    """Take an erasure back that has not begun, and with it those of the person's other subjects.

    Raises `AlreadyBegun`, `Erasure.DoesNotExist`.
    """
    with transaction.atomic():
        erasure = Erasure.objects.get(pk=erasure_id)
        if one_person.has_begun(erasure.subject_id):
            raise AlreadyBegun(Erasure.State.RUNNING)
        if not one_person.cancelled(erasure, actor=actor, now=now):
            raise AlreadyBegun(Erasure.objects.get(pk=erasure_id).state)
        one_person.take_back(same_person(erasure.subject_id), actor=actor, now=now)
    return erasure


def _existing(*, subject: Subject, due_at: datetime, deadline: datetime | None) -> Erasure | None:
    """The open erasure of this person, or the finished one if there is nothing left to do."""
    erasures = Erasure.objects.filter(subject=subject).order_by("-asked_at")
    open_one = erasures.filter(state__in=Erasure.OPEN).select_for_update().first()
    if open_one is not None:
        earlier = {"due_at": min(open_one.due_at, due_at)}
        deadlines = [d for d in (open_one.deadline, deadline) if d is not None]
        erasures.filter(pk=open_one.pk).update(
            **earlier, deadline=min(deadlines) if deadlines else None
        )
        open_one.refresh_from_db()
        return open_one
    if subject.erased_at is None:
        return None
    if any(left_rows(h, [subject.pk]).exists() for h in erasing_order()):
        return None
    return erasures.filter(state=Erasure.State.DONE).first()
