"""Children who become known: locked at once, told how to contest, erased when the time is over.

The danger. To know of a child and go on holding its data is what the law forbids (16 CFR 312.10);
so every hour counts, from the moment the knowledge arrived, not from when somebody read it. But a
report can be wrong or malicious, and erasing cannot be undone; so nobody may be erased on a
stranger's word alone, nor be left without a way to say "I am not a child". And what people send to
prove it must not become the next pile of data about children.

The design.
- `accounts` locks and restricts the person and ends their sessions in the transaction in which it
  learns; this room opens the case in the same transaction. A case whose mail could not be written
  is still a case: the mail is tried again with every tick.
- The person gets a link that opens one page without a log-in, for the contest window of the policy.
  A statement stops the clock towards erasure: then a member of staff, who is not that person,
  decides and says why. Without one the erasure starts when the window ends.
- All moves are conditional updates that check the row count, so two members of staff, or a
  statement and the end of the window, can't both win.
- A release unlocks, and corrects the birth date that said child, or the lock would come back.
- Where the policy has that way, the person may name a parent (`accounts.guardians`). The window
  then lasts until the parent has answered and staff have verified the answer, within the policy's
  time for that; a verified consent releases. A parent who takes it back locks the child anew.
- `erase_by` is the promise: end of the window plus the policy's limit, whatever staff do. The
  statement and the link go with the erasure, the times stay as proof.

PROMISES WC-15, WA-19, WI-8, CC-14.
"""

from __future__ import annotations

import secrets
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.dispatch import receiver

from accounts import guardians
from accounts.age import advise, age_on, learn_birth_date, limit, today
from accounts.guardians import NoParentalPath as NoParentalPath  # part of what callers handle
from accounts.models import AgeVerdict, User
from accounts.signals import child_learned, guardian_answered
from audit.log import SYSTEM, Actor, person, record, staff
from consent.ledger import lock_subject
from datamap.encryption import decrypt, encrypt
from datamap.models import Subject
from policy import current
from retention import alarms, child_window, erase, letters
from retention.models import ChildCase
from retention.signals import cancelled, erased

LONGEST_STATEMENT = 4000
REASON = "child"


class NotOpen(ValueError):
    """The case can't make this move any more; `state` is where it is."""

    def __init__(self, state: str) -> None:
        self.state = state
        super().__init__(f"this case is {state}")


class OwnCase(PermissionError):
    """Nobody decides on themselves."""


class BirthDateNeeded(ValueError):
    """The birth date we hold says child; without the right one the lock would come back."""


class StillAChild(ValueError):
    """The birth date given is a child's, too."""


@receiver(child_learned, dispatch_uid="retention.open-case")
def open_case(
    *,
    subject_id: UUID,
    arrived_at: datetime,
    now: datetime,
    restricted_before: bool = False,
    **kwargs: Any,
) -> ChildCase:
    """Open the case, in the transaction that locked the person; a second report joins the first."""
    fresh = _planned(subject_id, arrived_at=arrived_at, now=now)
    fresh.restricted_before = restricted_before
    with transaction.atomic():
        ChildCase.objects.bulk_create([fresh], ignore_conflicts=True)
        case = ChildCase.objects.select_for_update().get(
            subject_id=subject_id, state__in=ChildCase.OPEN
        )
        if case.pk != fresh.pk:
            # Known earlier than we thought: the limits count from the first knowledge.
            ChildCase.objects.filter(pk=case.pk, arrived_at__gt=arrived_at).update(
                arrived_at=arrived_at
            )
            return case
        record(
            actor=SYSTEM,
            verb="retention.child-case-opened",
            now=now,
            object=case,
            subject_id=subject_id,
            facts={
                "contest_until": case.contest_until.isoformat(),
                "erase_by": case.erase_by.isoformat(),
            },
        )
    letters.tell_locked(case, now=now)
    return case


def _planned(subject_id: UUID, *, arrived_at: datetime, now: datetime) -> ChildCase:
    """A case with the times of the policy in force, not stored yet."""
    contest_until = child_window.end_of_contest(learned_at=now, now=now)
    return ChildCase(
        reference=secrets.token_urlsafe(16),
        subject_id=subject_id,
        arrived_at=min(arrived_at, now),
        learned_at=now,
        locked_at=now,
        contest_until=contest_until,
        erase_by=child_window.end_of_erasure(contest_until, now=now),
    )


def find(*, token: str) -> ChildCase | None:
    """The case a link belongs to, erased ones excepted: their link is gone."""
    return ChildCase.objects.filter(token_hash=letters.hashed(token)).first()


def contest(*, case_id: UUID, statement: str, now: datetime) -> ChildCase:
    """Store what the person says against it; the case then waits for a decision by staff.

    Raises `NotOpen` after the window, or when there is a statement or a decision already.
    """
    with transaction.atomic():
        case = _move(
            Q(pk=case_id, state=ChildCase.State.CONTEST, contest_until__gt=now),
            case_id=case_id,
            state=ChildCase.State.CONTESTED,
            contested_at=now,
            statement=encrypt(statement[:LONGEST_STATEMENT]),
        )
        _note(case, verb="retention.child-contested", actor=person(case.subject_id), now=now)
    return case


def statement_of(case: ChildCase) -> str:
    """What the person wrote; empty without a statement."""
    return decrypt(bytes(case.statement)) if case.statement is not None else ""


def needs_birth_date(case: ChildCase, now: datetime) -> bool:
    """Whether a release as "not a child" has to correct the birth date we hold."""
    document = current.document(now)
    held = AgeVerdict.objects.filter(subject_id=case.subject_id).first()
    if held is None:
        return False
    return age_on(held.born_on, today(document, now)) < limit(document.age)


def confirm_not_child(
    *, case_id: UUID, reason: str, decider: User, now: datetime, born_on: date | None = None
) -> ChildCase:
    """Staff decide that the person is no child: unlock, correct the birth date, tell them.

    Raises `OwnCase`, `NotOpen`, `BirthDateNeeded`, `StillAChild`.
    """
    with transaction.atomic():
        case = _decidable(case_id, decider=decider)
        if born_on is None and needs_birth_date(case, now):
            raise BirthDateNeeded
        actor = staff(decider.pk)
        _release(case, ground=ChildCase.Ground.NO_CHILD, reason=reason, decider=decider, now=now)
        if born_on is not None:
            learned = learn_birth_date(
                subject=case.subject,
                born_on=born_on,
                source=AgeVerdict.Source.STAFF,
                actor=actor,
                now=now,
            )
            if learned.child:
                raise StillAChild
    case.refresh_from_db()
    return case


def ask_parent(*, case_id: UUID, address: str, now: datetime) -> ChildCase:
    """Ask the parent at this address, as the locked person wants; the window waits for the answer.

    Raises `NotOpen`, and what `guardians.ask` raises.
    """
    with transaction.atomic():
        case = _locked(case_id)
        if case.state != ChildCase.State.CONTEST or case.contest_until <= now:
            raise NotOpen(case.state)
        asked = guardians.ask(
            subject_id=case.subject_id,
            address=address,
            since=case.learned_at,
            actor=person(case.subject_id),
            now=now,
        )
        child_window.extend(case, until=asked.answer_until, now=now)
    case.refresh_from_db()
    return case


@receiver(guardian_answered, dispatch_uid="retention.parent-answered")
def hear_parent(
    *, subject_id: UUID, answer: str, now: datetime, until: datetime | None = None, **kwargs: Any
) -> None:
    """What a parent's answer does to the child's open case, in the transaction of the answer.

    Raises `guardians.Over` when there is nothing left to agree to.
    """
    open_cases = ChildCase.objects.select_for_update(of=("self",)).filter(
        subject_id=subject_id, state__in=(ChildCase.State.CONTEST, ChildCase.State.CONTESTED)
    )
    case = open_cases.first()
    if answer == "agreed":
        if case is None:
            raise guardians.Over
        child_window.extend(case, until=until, now=now)
        alarms.tell_parent_agreed(case, now=now)
    elif answer == "refused" and case is not None:
        child_window.shorten(case, now=now)
    elif answer == "deletion" and case is not None:
        _erase_at_once(case, actor=SYSTEM, now=now)


def verify_parental_consent(
    *, case_id: UUID, method: str, reason: str, decider: User, now: datetime
) -> ChildCase:
    """Staff record that the parent's consent was verified, and how (16 CFR 312.5(b)).

    Raises `NoParentalPath`, `OwnCase`, `NotOpen`, `guardians.OwnWard`, `guardians.Over`.
    """
    with transaction.atomic():
        _locked(case_id)
        case = _decidable(case_id, decider=decider)
        guardians.verify(subject_id=case.subject_id, method=method, decider=decider, now=now)
        _release(case, ground=ChildCase.Ground.PARENT, reason=reason, decider=decider, now=now)
        Subject.objects.filter(pk=case.subject_id).update(minor=True)
        advice = current.fresh(now).document.age.minors_advice
        child = Subject.objects.get(pk=case.subject_id)
        advise(child, advice=advice, by_page=False, actor=staff(decider.pk), now=now)
    case.refresh_from_db()
    return case


def confirm_child(*, case_id: UUID, reason: str, decider: User, now: datetime) -> ChildCase:
    """Staff decide that it is a child: the erasure starts at once. Raises `OwnCase`, `NotOpen`."""
    with transaction.atomic():
        _decidable(case_id, decider=decider)
        case = _move(
            Q(pk=case_id, state__in=(ChildCase.State.CONTEST, ChildCase.State.CONTESTED)),
            case_id=case_id,
            state=ChildCase.State.ERASING,
            decided_at=now,
            decided_by=decider.pk,
            decision=reason,
        )
        _note(case, verb="retention.child-confirmed", actor=staff(decider.pk), now=now)
        letters.post(
            case, category="answer", template="child_confirmed", context={}, now=now, last=True
        )
        _erase(case, actor=staff(decider.pk), now=now)
    return case


def erase_due(*, now: datetime, batch: int = 100) -> int:
    """Start the erasures of cases whose window is over; how many. Mail that failed goes first."""
    for case in ChildCase.objects.filter(
        state=ChildCase.State.CONTEST, told_at=None, subject__user__isnull=False
    )[:batch]:
        letters.tell_locked(case, now=now)
    over = Q(state=ChildCase.State.CONTEST, contest_until__lte=now)
    started = 0
    while True:
        with transaction.atomic():
            ids = list(
                ChildCase.objects.filter(over)
                .select_for_update(skip_locked=True)
                .order_by("contest_until")
                .values_list("pk", flat=True)[:batch]
            )
            for case_id in ids:
                case = _move(over & Q(pk=case_id), case_id=case_id, state=ChildCase.State.ERASING)
                _note(case, verb="retention.child-contest-ended", actor=SYSTEM, now=now)
                _erase(case, actor=SYSTEM, now=now)
        started += len(ids)
        if not ids:
            return started


@receiver(erased, dispatch_uid="retention.close-case")
def close_case(*, subject_id: UUID, at: datetime, **kwargs: Any) -> None:
    """The child's data is gone and verified, for whatever reason it was erased."""
    for case in ChildCase.objects.filter(subject_id=subject_id, state__in=ChildCase.OPEN):
        ChildCase.objects.filter(pk=case.pk).update(state=ChildCase.State.ERASED, closed_at=at)
        _note(case, verb="retention.child-erased", actor=SYSTEM, now=at)


@receiver(cancelled, dispatch_uid="retention.child-goes-on")
def start_again(*, subject_id: UUID, at: datetime, **kwargs: Any) -> None:
    """Somebody took back an erasure that a child's case rests on: the child still has to go."""
    for case in ChildCase.objects.filter(subject_id=subject_id, state=ChildCase.State.ERASING):
        _erase(case, actor=SYSTEM, now=at)


def _decidable(case_id: UUID, *, decider: User) -> ChildCase:
    case = ChildCase.objects.select_for_update(of=("self",)).get(pk=case_id)
    if case.subject_id == decider.subject_id:
        raise OwnCase("nobody decides on themselves")
    if case.state not in (ChildCase.State.CONTEST, ChildCase.State.CONTESTED):
        raise NotOpen(case.state)
    return case


def _release(
    case: ChildCase, *, ground: ChildCase.Ground, reason: str, decider: User, now: datetime
) -> None:
    moved = _move(
        Q(pk=case.pk, state__in=(ChildCase.State.CONTEST, ChildCase.State.CONTESTED)),
        case_id=case.pk,
        state=ChildCase.State.RELEASED,
        ground=ground,
        decision=reason,
        decided_by=decider.pk,
        decided_at=now,
        closed_at=now,
        statement=None,  # it has served its purpose
    )
    if ground == ChildCase.Ground.NO_CHILD:
        guardians.end(subject_id=case.subject_id, why="no-child", actor=staff(decider.pk), now=now)
    # A restriction that the person had before this case is no part of it.
    Subject.objects.filter(pk=case.subject_id).update(
        locked=False, restricted=moved.restricted_before
    )
    _note(moved, verb="retention.child-released", actor=staff(decider.pk), now=now)
    letters.post(moved, category="account", template="child_released", context={}, now=now)


def _move(which: Q, *, case_id: UUID, **fields: Any) -> ChildCase:
    """A conditional update of one case. Raises `NotOpen` when somebody was faster."""
    moved = ChildCase.objects.filter(which).update(**fields)
    case = ChildCase.objects.get(pk=case_id)
    if not moved:
        raise NotOpen(case.state)
    return case


def _locked(case_id: UUID) -> ChildCase:
    """The case, its person and itself locked, in this order."""
    lock_subject(ChildCase.objects.values_list("subject_id", flat=True).get(pk=case_id))
    return ChildCase.objects.select_for_update(of=("self",)).get(pk=case_id)


def _erase_at_once(case: ChildCase, *, actor: Actor, now: datetime) -> None:
    """A verified parent has everything deleted: nobody has to wait or decide."""
    open_states = (ChildCase.State.CONTEST, ChildCase.State.CONTESTED)
    which = Q(pk=case.pk, state__in=open_states)
    moved = _move(which, case_id=case.pk, state=ChildCase.State.ERASING)
    _note(moved, verb="retention.child-parent-deletes", actor=actor, now=now)
    _erase(moved, actor=actor, now=now)


def _erase(case: ChildCase, *, actor: Actor, now: datetime) -> None:
    guardians.end(subject_id=case.subject_id, why="erased", actor=actor, now=now)
    erase.start(
        subject_id=case.subject_id,
        reason=REASON,
        actor=actor,
        now=now,
        deadline=max(case.erase_by, now),
    )


def _note(case: ChildCase, *, verb: str, actor: Actor, now: datetime) -> None:
    record(actor=actor, verb=verb, now=now, object=case, subject_id=case.subject_id)
