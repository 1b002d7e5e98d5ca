"""Parents: asked whether we may hold a child's data, verified, free to take it back (COPPA).

The danger. A child can name any address, so we write to somebody who never asked for mail. Whoever
reads that mail may be no parent, and a yes opens a child's account. What parents send to prove who
they are, and their addresses, must not become the next pile of data. And a parent who takes the
consent back must not depend on anybody here reading mail.

The design.
- There is a way only where the policy in force has it (`[age] parental_consent`). A locked child
  gives an address; that is all we then hold of the parent. No answer by the policy's time: the row
  is deleted (16 CFR 312.5(c)(1)). A parent who says no is not asked again about the same lock, and
  an address is not asked for many children at once.
- The mailed link alone opens nothing: a code is asked for, too (`accounts.guardian_access`).
- A yes changes nothing yet: staff, who are neither child nor parent, verify by one of the ways the
  law names that it is a parent's. What the parent wrote for that is dropped with the decision.
- Use and disclosure are two consents (16 CFR 312.5(a)(2)); `undisclosed` tells the rooms above.
- A parent may see the kinds of data, refuse further use and have everything deleted, any time
  (16 CFR 312.6(a)). Refusing locks the child in the same transaction; what follows is
  `retention.children`, which hears `signals.guardian_answered`.
- When it is over, whatever the end, the row is deleted; that and when it happened stays in the log.

Locks are taken in the order person, case (of the room above), row.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import structlog
from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import guardian_access, signals
from accounts.age import limit, report_child, today, years_before
from accounts.models import Guardianship, User
from audit.log import SYSTEM, Actor, Fact, person, record, staff
from audit.models import AuditEntry
from consent import words
from consent.ledger import Shown, lock_subject
from datamap.email import normalise_email
from datamap.encryption import decrypt, encrypt, keyed_hash
from datamap.models import Subject
from policy import current
from policy.document import Document
from policy.period import Period

log = structlog.get_logger(__name__)

MOST_ADDRESSES = 3  # that a child may give for one lock
MOST_CHILDREN = 5  # for whom one address is asked at a time
LONGEST_CONTACT = 1000

ASKED, AGREED = "accounts.guardian-asked", "accounts.guardian-agreed"
VERIFIED, ENDED = "accounts.guardian-verified", "accounts.guardian-ended"
NO = ("refused", "withdrawn", "deletion")  # why it ended, where the parent said so
S = Guardianship.State


class NoParentalPath(ValueError):
    """The policy in force does not let a parent consent."""


class OwnAddress(ValueError):
    """The child's own address: it asks nobody else."""


class AlreadyAnswered(RuntimeError):
    """A parent has said yes or no about this lock; nobody else is asked."""


class TooManyAsked(RuntimeError):
    """Too many addresses for one child, or too many children for one address."""


class Over(RuntimeError):
    """The time to answer is over, or somebody was faster: the row is not there to be moved."""


class OwnWard(PermissionError):
    """Neither the child nor the parent decides that the parent is one."""


def allowed(document: Document) -> bool:
    """Whether this policy lets a parent consent."""
    return document.age.parental_consent


def time_to_answer(document: Document) -> Period:
    """How long a parent may take; older policies name no time of its own."""
    return document.age.parent_answer or document.age.contest


def ask(
    *, subject_id: UUID, address: str, since: datetime, actor: Actor, now: datetime
) -> Guardianship:
    """Ask the parent at this address about a locked child, or at another address than before.

    since: when the lock began; what was asked and answered from then on counts. The time to answer
    runs from the first question. Raises `NoParentalPath`, `ValidationError` for what is no address,
    `OwnAddress`, `AlreadyAnswered`, `TooManyAsked`, `Over`.
    """
    email = normalise_email(address)
    with transaction.atomic():
        document = current.fresh(now).document
        if not allowed(document):
            raise NoParentalPath
        child = lock_subject(subject_id)
        _check_may_ask(child, email=email, since=since)
        held = Guardianship.objects.filter(subject=child).first()
        until = held.answer_until if held else _end_of_answer(document, now)
        if until is None or until <= now:
            raise Over
        token = secrets.token_urlsafe(32)
        named = {
            "guardian": _guardian_at(email, now=now),
            "address": encrypt(email),
            "address_hash": keyed_hash(email),
            "token_hash": guardian_access.hashed(token),
            "code_hash": "",
            "code_sent_at": None,
        }
        asked, _made = Guardianship.objects.update_or_create(
            subject=child,
            defaults=named,
            create_defaults={**named, "asked_at": now, "answer_until": until},
        )
        facts: dict[str, Fact] = {"answer_until": until.isoformat()}
        _note(asked, verb=ASKED, actor=actor, now=now, **facts)
        guardian_access.write(
            asked, "guardian_asked", now=now, token=token, until=until, zone=document.zone
        )
    return asked


def agree(
    *,
    guardianship_id: UUID,
    method: str,
    contact: str,
    disclosure: bool,
    shown: Shown,
    now: datetime,
) -> Guardianship:
    """The parent agrees to the use and, separately, to disclosure; staff then verify it.

    method: one of `Guardianship.Method`. contact: what the parent writes for that.
    Raises `Over`, `NoParentalPath`.
    """
    with transaction.atomic():
        row = _held(guardianship_id)
        document = current.fresh(now).document
        if not allowed(document):
            raise NoParentalPath
        until = _end_of_answer(document, now)
        _tell(row, answer="agreed", until=until, now=now)
        seen = words.store(text=shown.text, locale=shown.locale)
        open_ones = Guardianship.objects.filter(pk=row.pk, state=S.ASKED, answer_until__gt=now)
        moved = open_ones.update(
            state=S.AGREED,
            agreed_at=now,
            answer_until=until,
            method=method,
            contact=encrypt(contact[:LONGEST_CONTACT]) if contact else None,
            disclosure=disclosure,
            words_digest=seen.digest,
        )
        if not moved:
            raise Over
        facts: dict[str, Fact] = {
            "answer_until": until.isoformat(),
            "disclosure": disclosure,
            "method": method,
            "words": seen.digest,
        }
        _note(row, verb=AGREED, actor=_parent(row), now=now, **facts)
        row.refresh_from_db()
    return row


def refuse(*, guardianship_id: UUID, now: datetime) -> None:
    """The parent says no, before anything was verified: they are forgotten, and the lock goes its
    way. Nothing is erased sooner, for nobody knows yet that it is a parent. Raises `Over`.
    """
    with transaction.atomic():
        row = _held(guardianship_id)
        if row.state == S.VERIFIED:
            raise Over
        _tell(row, answer="refused", now=now)
        if not end(subject_id=row.subject_id, why="refused", actor=_parent(row), now=now):
            raise Over


def verify(*, subject_id: UUID, method: str, decider: User, now: datetime) -> Guardianship:
    """Staff made sure that the yes is a parent's; in the caller's transaction, the person locked.

    method: how it was done in the end. The parent gets a new link. A consent that stands already
    stays as it is. Raises `NoParentalPath`, `OwnWard`, `Over`.
    """
    with transaction.atomic():
        document = current.fresh(now).document
        if not allowed(document):
            raise NoParentalPath
        row = Guardianship.objects.filter(subject_id=subject_id).first()
        if row is None or row.guardian_id is None:
            raise Over
        if decider.subject_id in (row.subject_id, row.guardian_id):
            raise OwnWard
        if row.state == S.VERIFIED:
            return row
        token = secrets.token_urlsafe(32)
        moved = Guardianship.objects.filter(pk=row.pk, state=S.AGREED, answer_until__gt=now).update(
            state=S.VERIFIED,
            verified_at=now,
            verified_by=decider.pk,
            method=method,
            contact=None,
            answer_until=None,
            token_hash=guardian_access.hashed(token),
            code_hash="",
            code_sent_at=None,
        )
        if not moved:
            raise Over
        facts: dict[str, Fact] = {"method": method, "disclosure": row.disclosure}
        _note(row, verb=VERIFIED, actor=staff(decider.pk), now=now, **facts)
        guardian_access.write(row, "guardian_verified", now=now, token=token)
        row.refresh_from_db()
    return row


def change_disclosure(*, guardianship_id: UUID, may: bool, shown: Shown, now: datetime) -> None:
    """The parent changes the second consent alone; the first stays. Raises `Over`."""
    with transaction.atomic():
        row = _held(guardianship_id)
        seen = words.store(text=shown.text, locale=shown.locale)
        verified = Guardianship.objects.filter(pk=row.pk, state=S.VERIFIED)
        if not verified.update(disclosure=may, words_digest=seen.digest):
            raise Over
        facts: dict[str, Fact] = {"disclosure": may, "words": seen.digest}
        verb = "accounts.guardian-changed"
        _note(row, verb=verb, actor=_parent(row), now=now, **facts)


def withdraw(*, guardianship_id: UUID, erase: bool, now: datetime) -> None:
    """A verified parent refuses further use: the child is locked at once, and erased when the time
    to object is over; or, with `erase`, at once. Raises `Over`.
    """
    with transaction.atomic():
        row = _held(guardianship_id)
        if row.state != S.VERIFIED:
            raise Over
        _withdraw(row, why="deletion" if erase else "withdrawn", actor=_parent(row), now=now)


def end(*, subject_id: UUID, why: str, actor: Actor, now: datetime) -> bool:
    """Delete all that was held to ask a parent; whether there was anything. The log keeps when."""
    with transaction.atomic():
        row = Guardianship.objects.select_for_update().filter(subject_id=subject_id).first()
        if row is None:
            return False
        facts: dict[str, Fact] = {
            "why": why,
            "state": row.state,
            "method": row.method,
            "disclosure": row.disclosure,
            "agreed_at": row.agreed_at.isoformat() if row.agreed_at else None,
            "verified_at": row.verified_at.isoformat() if row.verified_at else None,
        }
        _note(row, verb=ENDED, actor=actor, now=now, **facts)
        row.delete()
    return True


def end_due(*, now: datetime, batch: int = 100) -> int:
    """What is over by itself: no answer in time, a child grown past the limit, a parent who is
    gone and could take nothing back any more. How many; each in its own transaction, so that one
    that fails stops none of the others.
    """
    document = current.document(now)
    grown = years_before(today(document, now), limit(document.age))
    of_age = Q(subject__age_verdict__born_on__lte=grown, subject__locked=False)
    due = Guardianship.objects.filter(Q(answer_until__lte=now) | of_age | Q(guardian=None))
    chosen = list(due.order_by("pk").values_list("pk", "subject_id")[:batch])
    return sum(_end_one(due.filter(pk=pk), subject_id, now=now) for pk, subject_id in chosen)


def undisclosed(subject_ids: Collection[UUID]) -> set[UUID]:
    """Those of these people who are children no parent let us show or give to others."""
    rows = Guardianship.objects.filter(subject_id__in=subject_ids)
    return set(rows.exclude(state=S.VERIFIED, disclosure=True).values_list("subject_id", flat=True))


def contact_of(row: Guardianship) -> str:
    """What the parent wrote to be verified by; empty without."""
    return decrypt(bytes(row.contact)) if row.contact is not None else ""


def _check_may_ask(child: Subject, *, email: str, since: datetime) -> None:
    users = User.objects.filter(subject=child)
    own = EmailAddress.objects.filter(user__subject=child, email=email)
    if email == child.email or users.filter(email=email).exists() or own.exists():
        raise OwnAddress
    log = AuditEntry.objects.filter(subject_id=child.pk, at__gte=since)
    answered = Guardianship.objects.filter(subject=child).exclude(state=S.ASKED)
    if answered.exists() or log.filter(verb=ENDED, facts__why__in=NO).exists():
        raise AlreadyAnswered
    others = Guardianship.objects.filter(address_hash=keyed_hash(email)).exclude(subject=child)
    if log.filter(verb=ASKED).count() >= MOST_ADDRESSES or others.count() >= MOST_CHILDREN:
        raise TooManyAsked


def _guardian_at(email: str, *, now: datetime) -> Subject:
    """Who reads this address: somebody we know, or a new subject without anything. The work is the
    same: a child must not learn whose address we know.
    """
    user = User.objects.filter(email=email).select_related("subject").first()
    subject = Subject.objects.filter(email=email).first()
    known = user.subject if user else subject
    with transaction.atomic():
        made = Subject.objects.create(created_at=now)
        if known is not None:
            transaction.set_rollback(True)
    # Reading it again costs the one statement that the rollback does.
    return known or Subject.objects.get(pk=made.pk)


def _end_of_answer(document: Document, now: datetime) -> datetime:
    return time_to_answer(document).after(now, zone=document.zone, holidays=document.site.holidays)


def _held(guardianship_id: UUID) -> Guardianship:
    """The row, with the child locked first. Raises `Over` when it is gone."""
    row = Guardianship.objects.filter(pk=guardianship_id).first()
    if row is None:
        raise Over
    lock_subject(row.subject_id)
    row = Guardianship.objects.filter(pk=guardianship_id, guardian__isnull=False).first()
    if row is None:
        raise Over
    return row


def _withdraw(row: Guardianship, *, why: str, actor: Actor, now: datetime) -> None:
    child = Subject.objects.get(pk=row.subject_id)
    report_child(subject=child, source="parent", actor=actor, now=now, arrived_at=now)
    _tell(row, answer=why, now=now)
    end(subject_id=row.subject_id, why=why, actor=actor, now=now)


def _end_one(due: QuerySet[Guardianship], subject_id: UUID, *, now: datetime) -> int:
    try:
        with transaction.atomic():
            lock_subject(subject_id)
            row = due.first()
            if row is None:
                return 0  # somebody was faster
            _end_by_itself(row, now=now)
            return 1
    except Exception as error:  # noqa: BLE001  whatever it is, the next tick tries again
        log.error("guardianship not ended", about=str(subject_id), error=type(error).__name__)
        return 0


def _end_by_itself(row: Guardianship, *, now: datetime) -> None:
    if row.guardian_id is None and row.state == S.VERIFIED:
        _withdraw(row, why="withdrawn", actor=SYSTEM, now=now)
        return
    why = "parent-gone" if row.guardian_id is None else "of-age"
    if row.answer_until is not None and row.answer_until <= now:
        why = "no-answer"
    if why == "of-age" and row.state == S.VERIFIED:
        guardian_access.write(row, "guardian_of_age", now=now, last=True)
    end(subject_id=row.subject_id, why=why, actor=SYSTEM, now=now)


def _parent(row: Guardianship) -> Actor:
    return person(row.guardian_id) if row.guardian_id else SYSTEM


def _tell(row: Guardianship, *, answer: str, now: datetime, until: datetime | None = None) -> None:
    signals.guardian_answered.send(
        sender=Guardianship, subject_id=row.subject_id, answer=answer, until=until, now=now
    )


def _note(
    row: Guardianship,
    *,
    verb: str,
    actor: Actor,
    now: datetime,
    **facts: Fact,
) -> None:
    record(actor=actor, verb=verb, now=now, object=row, subject_id=row.subject_id, facts=facts)
