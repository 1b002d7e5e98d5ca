"""Holding two subjects for one person, and taking that back.

The danger. Whoever is held for the same person sees, copies and erases what is held about the
other one. A merge of two strangers hands over one's life to the other, and a merge that moved rows
could never be taken apart again. So:

- Two people of the staff agree before, neither of them one of the two (`accounts.approval`).
- No row moves. A merge is one row of its own (`datamap.SubjectMerge`), and undoing it gives back
  exactly what was; what was set off for both meanwhile is called off (`datamap.same_person.split`).
- Undoing needs one person only: it lessens what anybody sees.
- Both addresses are told, each time, without being told of each other.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import approval
from accounts.approval import Kind, OwnAffair
from accounts.models import Approval, User
from accounts.registration import absolute
from audit.errands import Span
from audit.log import Actor, record, staff
from consent.mail import post
from datamap import same_person as group
from datamap.encryption import encrypt
from datamap.models import Subject, SubjectMerge
from policy import current

WHAT: Final = "accounts.same-person"
ASK: Final = "accounts.same_person"
ERRAND: Final = "same-person"
ENDS: Final = ("kept", "merged")
_INSTANT: Final = timedelta(microseconds=1)


class Unfit(approval.CantBeDone):
    """These two can't be held for one person."""


class SameSubject(Unfit):
    """They are one and the same, or held for one person already."""


class Gone(Unfit):
    """One of them is erased, or is being erased with nobody left to ask."""


class NotMerged(LookupError):
    """This subject is held together with none, or with several: then the other one is named."""


def ask(*, kept: Subject, merged: Subject, reason: str, by: User, now: datetime) -> Approval:
    """Ask a second person of the staff to agree that these two are one person.

    reason: how staff made sure of it. Raises `Unfit`, `OwnAffair`, `approval.NotAllowed`,
    `approval.AlreadyAsked`.
    """
    if by.subject_id == merged.pk:
        raise OwnAffair
    _check_fit(kept, merged)
    return approval.ask(
        what=WHAT,
        about=kept,
        details={"merged": str(merged.pk)},
        by=by,
        now=now,
        note=reason,
    )


def merge(*, kept_id: UUID, merged_id: UUID, reason: str, by: User, now: datetime) -> SubjectMerge:
    """Hold two subjects for one person from now on; called once two people have agreed.

    Raises `Unfit`, `OwnAffair` for one of the two.
    """
    if by.subject_id in (kept_id, merged_id):
        raise OwnAffair
    with transaction.atomic():
        # All that would belong together, so that two merges at once can't make a ring.
        everybody = group.people([kept_id, merged_id])
        rows = Subject.objects.select_for_update().filter(pk__in=everybody).order_by("pk")
        subjects = {subject.pk: subject for subject in rows}
        kept, merged = subjects[kept_id], subjects[merged_id]
        _check_fit(kept, merged)
        made = SubjectMerge.objects.create(
            kept_id=kept_id,
            merged_id=_root(merged_id),
            reason=encrypt(reason),
            merged_at=now,
            merged_by=by.pk,
        )
        _tell(made, verb="accounts.subjects-merged", actor=staff(by.pk), now=now)
        for subject in (kept, merged):
            _write_to(subject, template="account_same_person", now=now)
    return made


def undo(
    *, subject: Subject, other: Subject | None = None, by: User, now: datetime
) -> SubjectMerge:
    """Hold this subject for a person of their own again.

    other: with whom it was merged, where it is held together with several. Raises `NotMerged`.
    """
    with transaction.atomic():
        rows = SubjectMerge.objects.select_for_update(of=("self",)).filter(
            Q(kept=subject) | Q(merged=subject), undone_at=None
        )
        if other is not None:
            rows = rows.filter(Q(kept=other) | Q(merged=other))
        found = list(rows.select_related("kept", "merged")[:2])
        if len(found) != 1:
            raise NotMerged
        (undone,) = found
        everybody = group.people([undone.kept_id])
        undone.undone_at, undone.undone_by, undone.reason = now, by.pk, None
        undone.save(update_fields=["undone_at", "undone_by", "reason"])
        actor = staff(by.pk)
        _tell(undone, verb="accounts.subjects-split", actor=actor, now=now)
        group.split.send(
            sender=SubjectMerge,
            subject_ids=everybody,
            since=undone.merged_at,
            at=now,
            actor=actor,
        )
        for each in (undone.kept, undone.merged):
            _write_to(each, template="account_same_person_undone", now=now)
    return undone


def tasks_of(case: Approval | SubjectMerge) -> dict[UUID, str]:
    """Subject → the task for which staff look that one up: a question that waits for a second
    person, or a merge as it is undone.
    """
    name = case.handle if isinstance(case, Approval) else str(case.pk)
    return {
        subject_id: f"{ERRAND}:{name}.{end}"
        for end, subject_id in zip(ENDS, _both(case), strict=True)
    }


def spans(references: Collection[str]) -> dict[str, Span]:
    """Task's name → whose it is and from when to when it is open; two queries."""
    wanted = [name for name, dot, _end in (r.rpartition(".") for r in references) if dot]
    asked = Approval.objects.filter(what=WHAT, handle__in=wanted)
    undone = SubjectMerge.objects.filter(pk__in=filter(_is_id, wanted), undone_at__isnull=False)
    cases: list[tuple[str, datetime, datetime, tuple[UUID, UUID]]] = [
        *((a.handle, a.asked_at, a.decided_at or a.expires_at, _both(a)) for a in asked),
        *(
            (str(m.pk), m.undone_at, m.undone_at + _INSTANT, _both(m))
            for m in undone
            if m.undone_at
        ),
    ]
    found = {
        f"{name}.{end}": Span(subject_id, since, until)
        for name, since, until, both in cases
        for end, subject_id in zip(ENDS, both, strict=True)
    }
    return {reference: found[reference] for reference in references if reference in found}


def open_of(subject_id: UUID, now: datetime) -> list[str]:
    """The names of a person's questions that wait; one query."""
    either = Q(about=subject_id) | Q(details__merged=str(subject_id))
    waiting = Approval.objects.filter(either, what=WHAT, decision="", expires_at__gt=now)
    return [
        task.partition(":")[2]
        for each in waiting
        for whose, task in tasks_of(each).items()
        if whose == subject_id
    ]


def _both(case: Approval | SubjectMerge) -> tuple[UUID, UUID]:
    if isinstance(case, SubjectMerge):
        return case.kept_id, case.merged_id
    assert case.about_id is not None  # `ask` names one
    return case.about_id, UUID(case.details["merged"])


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def subject_at(email: str) -> Subject | None:
    """Whom a normalised address belongs to: proved, or of an account that never proved it."""
    return (
        Subject.objects.filter(email=email).first()
        or Subject.objects.filter(user__email=email).first()
    )


def _check_fit(kept: Subject, merged: Subject) -> None:
    if kept.erased_at is not None or merged.erased_at is not None:
        raise Gone
    if merged.pk in group.same_person(kept.pk):
        raise SameSubject


def _root(subject_id: UUID) -> UUID:
    """The end of the tree a subject was merged into: nobody is merged into two."""
    while True:
        held = SubjectMerge.objects.filter(merged_id=subject_id, undone_at=None)
        into = held.values_list("kept_id", flat=True).first()
        if into is None:
            return subject_id
        subject_id = into


def _tell(row: SubjectMerge, *, verb: str, actor: Actor, now: datetime) -> None:
    """One entry for each of the two, so that each finds it in their own log."""
    for subject_id, other in ((row.kept_id, row.merged_id), (row.merged_id, row.kept_id)):
        record(
            actor=actor,
            verb=verb,
            now=now,
            object=row,
            subject_id=subject_id,
            facts={"other": str(other)},
        )


def _write_to(subject: Subject, *, template: str, now: datetime) -> None:
    """Account mail to a proved address; whoever never proved one is not written to."""
    if subject.email is None:
        return
    post(
        category="account",
        template=template,
        context={
            "privacy_url": absolute(reverse("privacy")),
            "contact": current.fresh(now).document.controller.email,
        },
        address=subject.email,
        subject_id=subject.pk,
        now=now,
    )


def _carry_out(agreed: Approval, by: User, now: datetime) -> None:
    kept_id, merged_id = _both(agreed)
    merge(
        kept_id=kept_id,
        merged_id=merged_id,
        reason=approval.note_of(agreed),
        by=by,
        now=now,
    )


def _sentence(asked: Approval) -> str:
    """What would be done, with both addresses masked: enough to compare, not to write to."""
    merged = Subject.objects.filter(pk=asked.details["merged"]).first()
    return _("%(one)s and %(other)s are one person: each sees, copies and deletes both.") % {
        "one": _masked(asked.about),
        "other": _masked(merged),
    }


def _masked(subject: Subject | None) -> str:
    local, _at, domain = ((subject and subject.email) or "").partition("@")
    return f"{local[:1]}…@{domain}" if domain else _("somebody without a proved address")


approval.declare(
    Kind(
        key=WHAT,
        title=gettext_lazy("Two addresses, one person"),
        ask=ASK,
        decide="accounts.approvals",
        tell=_sentence,
        carry_out=_carry_out,
    )
)
