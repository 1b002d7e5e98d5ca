"""The ledger: every decision as an event that stays, and where each choice stands today.

An event and the current row are written in one transaction, under the lock of the subject's row.
The mail gate takes the same lock for the instant of sending (`consent.delivery`), so a message
and a decision about it have one order, and nothing leaves after a withdrawal's commit.

Taking back is always possible: a locked or restricted person may still say no, for that only
lessens what is done with their data (GDPR 7(3)); saying yes is refused. An erased subject has
nobody left to decide.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, QuerySet, Subquery

from audit.log import Actor, record
from consent import signals, words
from consent.models import ALLOWED, CHOSEN, YES, Choice, Decision, Event, Kind, Message, Words
from consent.options import by_mail, needs_no_choice, option
from datamap.models import Subject
from datamap.same_person import same_person, selection
from policy import current
from policy.document import Document
from policy.models import PolicyVersion

_TICK = timedelta(microseconds=1)
_NO = frozenset({Decision.REFUSED, Decision.WITHDRAWN, Decision.EXPIRED})
_AFTER_A_YES = frozenset({Decision.WITHDRAWN, Decision.EXPIRED, Decision.RENEWED})


@dataclass(frozen=True)
class Shown:
    """What the person saw when they decided, and where.

    text: the exact words. surface: where they stood (`signup`, `choices`, `unsubscribe`).
    channel: web, e-mail, API, phone, letter, SMS, staff. evidence: an id that leads further,
    such as the message whose link was used; never personal data.
    """

    text: str
    surface: str
    locale: str = "en"
    channel: str = "web"
    evidence: str = ""


class LedgerError(Exception):
    """The ledger does not take this; nothing was written."""


class UnknownChoice(LedgerError):
    """The policy in force offers no such choice (or collection point, for `collection`)."""

    def __init__(self, *, kind: str, key: str) -> None:
        self.kind, self.key = kind, key
        super().__init__(f"the policy in force has no {kind} {key!r} to decide about")


class WrongDecision(LedgerError):
    """This kind of event does not know this decision: nobody can acknowledge into a consent."""

    def __init__(self, *, kind: str, decision: str) -> None:
        self.kind, self.decision = kind, decision
        super().__init__(f"{decision!r} is no decision about a {kind}")


class NothingToTakeBack(LedgerError):
    """Withdrawn, expired or renewed without a yes that stands; `standing` says what does."""

    def __init__(self, *, kind: str, key: str, standing: str | None) -> None:
        self.kind, self.key, self.standing = kind, key, standing
        super().__init__(f"no yes stands for {kind} {key!r} (standing: {standing or 'nothing'})")


class SubjectClosed(LedgerError):
    """The subject is erased, or locked or restricted and nothing may be added for it."""

    def __init__(self, *, subject_id: UUID, why: str) -> None:
        self.subject_id, self.why = subject_id, why
        super().__init__(f"subject {subject_id} is {why}")


class UnknownField(LedgerError):
    """Fields the collection point does not name; collecting them would break the policy."""

    def __init__(self, *, point: str, fields: Collection[str]) -> None:
        self.point, self.fields = point, tuple(sorted(fields))
        super().__init__(f"collection point {point!r} does not name {', '.join(self.fields)}")


def decide(
    *,
    subject_id: UUID,
    kind: str,
    key: str,
    decision: str,
    shown: Shown,
    actor: Actor,
    now: datetime,
) -> Event:
    """Write a decision down; it counts from the commit on. The same decision over the same words
    and policy again changes nothing and returns the event that stands.

    Kinds `purpose`, `mail` and `transfer` need an option of the policy in force; `policy` takes
    only `acknowledged`. Raises `UnknownChoice`, `WrongDecision`, `NothingToTakeBack`,
    `SubjectClosed`, `Subject.DoesNotExist`, `policy.current.NoPolicy`.
    """
    if decision not in ALLOWED.get(kind, frozenset()) or kind == Kind.COLLECTION:
        raise WrongDecision(kind=kind, decision=decision)
    with transaction.atomic():
        _lock(subject_id, lessens=decision in _NO)
        version = current.fresh(now)
        standing = _standing(subject_id, kind, key)
        _check_offered(version.document, kind, key, decision=decision, standing=standing)
        seen = words.store(text=shown.text, locale=shown.locale)
        if standing is not None and _is_same(standing, decision, seen, version):
            return standing.event
        if decision in _AFTER_A_YES and not (standing and standing.is_yes):
            found = standing.decision if standing else None
            raise NothingToTakeBack(kind=kind, key=key, standing=found)
        event = Event(
            subject_id=subject_id,
            kind=kind,
            key=key,
            decision=decision,
            at=_instant(subject_id, kind, key, standing=standing, now=now),
        )
        return _write(event, standing, version=version, seen=seen, shown=shown, actor=actor)


def say_yes(
    *, subject_id: UUID, kind: str, key: str, shown: Shown, actor: Actor, now: datetime
) -> Event:
    """A yes, whatever stood before. Raises as `decide` does."""
    return decide(
        subject_id=subject_id,
        kind=kind,
        key=key,
        decision=Decision.GIVEN,
        shown=shown,
        actor=actor,
        now=now,
    )


def say_no(
    *, subject_id: UUID, kind: str, key: str, shown: Shown, actor: Actor, now: datetime
) -> Event:
    """A no: `withdrawn` when a yes stood, else `refused`; one that stands is left as it is.

    Raises as `decide` does.
    """
    with transaction.atomic():
        _lock(subject_id, lessens=True)
        standing = _standing(subject_id, kind, key)
        if standing is not None and standing.decision in (Decision.REFUSED, Decision.WITHDRAWN):
            return standing.event
        stood = standing is not None and standing.is_yes
        return decide(
            subject_id=subject_id,
            kind=kind,
            key=key,
            decision=Decision.WITHDRAWN if stood else Decision.REFUSED,
            shown=shown,
            actor=actor,
            now=now,
        )


def submit(
    *,
    subject_id: UUID,
    point: str,
    fields: Collection[str],
    shown: Shown,
    actor: Actor,
    now: datetime,
) -> Event:
    """Write down that a person handed data over at a collection point (WA-1, WD-5).

    fields: what was filled in, named as the policy names it; each must be one of the point's.
    Raises `UnknownChoice`, `UnknownField`, `SubjectClosed`.
    """
    with transaction.atomic():
        _lock(subject_id, lessens=False)
        version = current.fresh(now)
        declared = version.document.collection_point(point)
        if declared is None:
            raise UnknownChoice(kind=Kind.COLLECTION, key=point)
        strange = set(fields) - {*declared.required, *declared.optional}
        if strange:
            raise UnknownField(point=point, fields=strange)
        standing = _standing(subject_id, Kind.COLLECTION, point)
        event = Event(
            subject_id=subject_id,
            kind=Kind.COLLECTION,
            key=point,
            decision=Decision.SUBMITTED,
            fields=sorted(fields),
            at=_instant(subject_id, Kind.COLLECTION, point, standing=standing, now=now),
        )
        seen = words.store(text=shown.text, locale=shown.locale)
        return _write(event, standing, version=version, seen=seen, shown=shown, actor=actor)


def note_shown(*, subject_id: UUID, key: str, shown: Shown, actor: Actor, now: datetime) -> Event:
    """Write down that a person was shown a notice, such as `minors-advice` (WC-16).

    Raises `SubjectClosed`.
    """
    return decide(
        subject_id=subject_id,
        kind=Kind.NOTICE,
        key=key,
        decision=Decision.SHOWN,
        shown=shown,
        actor=actor,
        now=now,
    )


def standing(subject_id: UUID) -> dict[tuple[str, str], Choice]:
    """Where each of a subject's choices stands, with its event; one query."""
    rows = Choice.objects.filter(subject_id=subject_id).select_related("event")
    return {(row.kind, row.key): row for row in rows}


def history(
    subject_id: UUID, *, kind: str | None = None, key: str | None = None
) -> QuerySet[Event]:
    """A subject's events, newest first, with their words; of one choice when kind and key say."""
    events = Event.objects.filter(subject_id=subject_id).select_related("words")
    if kind is not None:
        events = events.filter(kind=kind)
    if key is not None:
        events = events.filter(key=key)
    return events.order_by("-at", "-id")


def may(*, subject_id: UUID, kind: str, key: str, document: Document) -> bool:
    """Whether the policy and the person's choice let this happen now; one query.

    Never for a locked, restricted or erased subject. Without a choice the policy's basis
    decides; for a minor no opt-out basis does (private defaults, WC-16). Of somebody with two
    subjects a no under one counts for both. A purpose carried out by mail is allowed as long as any
    of that mail is; one query for each category of it.
    """
    if kind == Kind.PURPOSE and (mails := by_mail(document, key=key)):
        return any(
            may(subject_id=subject_id, kind=Kind.MAIL, key=mail.key, document=document)
            for mail in mails
        )
    choices = Choice.objects.filter(kind=kind, key=key)
    chosen = choices.filter(subject_id=OuterRef("pk"))
    elsewhere = choices.filter(subject_id__in=selection(subject_id), decision__in=_NO)
    row = (
        Subject.objects.filter(pk=subject_id, locked=False, restricted=False, erased_at=None)
        .values_list(
            "minor",
            Subquery(chosen.values("decision")[:1]),
            Exists(elsewhere.exclude(subject_id=subject_id)),
        )
        .first()
    )
    if row is None:
        return False
    if needs_no_choice(document, kind=kind, key=key):
        return True
    offered = option(document, kind=kind, key=key)
    if offered is None:
        return False
    minor, decision, no_elsewhere = row
    if no_elsewhere:
        return False
    return decision in YES if decision else offered.on_without_choice and not minor


def lock_person(subject_id: UUID) -> None:
    """As `lock_subject`, for all subjects of the same person, always in one order."""
    rows = Subject.objects.filter(pk__in=same_person(subject_id)).order_by("pk")
    list(rows.select_for_update(no_key=True).values_list("pk"))


def lock_subject(subject_id: UUID) -> Subject:
    """The subject's row, locked until the transaction ends. Raises `Subject.DoesNotExist`.

    FOR NO KEY UPDATE: rows that point at the subject can still be written meanwhile.
    """
    return Subject.objects.select_for_update(no_key=True).get(pk=subject_id)


def _lock(subject_id: UUID, *, lessens: bool) -> None:
    subject = lock_subject(subject_id)
    if subject.erased_at is not None:
        raise SubjectClosed(subject_id=subject_id, why="erased")
    if not lessens and (subject.locked or subject.restricted):
        why = "locked" if subject.locked else "restricted"
        raise SubjectClosed(subject_id=subject_id, why=why)


def _standing(subject_id: UUID, kind: str, key: str) -> Choice | None:
    rows = Choice.objects.filter(subject_id=subject_id, kind=kind, key=key)
    return rows.select_related("event").first()


def _check_offered(
    document: Document, kind: str, key: str, *, decision: str, standing: Choice | None
) -> None:
    """Raise `UnknownChoice` unless the policy offers the choice. What stands from an earlier policy
    can be taken back, though it is offered no more.
    """
    offered = kind not in CHOSEN or option(document, kind=kind, key=key) is not None
    if not offered and not (standing and decision in _NO):
        raise UnknownChoice(kind=kind, key=key)


def _is_same(standing: Choice, decision: str, seen: Words, version: PolicyVersion) -> bool:
    event = standing.event
    return (event.decision, event.words_id, event.policy_digest) == (
        decision,
        seen.digest,
        version.digest,
    )


def _instant(
    subject_id: UUID, kind: str, key: str, *, standing: Choice | None, now: datetime
) -> datetime:
    """`now`, or just after what the lock let go first: the last event, or a message that was
    being sent while this decision waited. So the order of times is the order of commits.
    """
    earlier = [standing.since] if standing else []
    if kind == Kind.MAIL:
        sent = Message.objects.filter(subject_id__in=selection(subject_id), category=key)
        last: datetime | None = sent.aggregate(last=Max("sent_at"))["last"]
        earlier += [last] if last else []
    return max([now, *(instant + _TICK for instant in earlier)])


def _write(
    event: Event,
    standing: Choice | None,
    *,
    version: PolicyVersion,
    seen: Words,
    shown: Shown,
    actor: Actor,
) -> Event:
    """Event, current row, audit entry and signals, in the caller's transaction."""
    event.policy_digest = version.digest
    event.words = seen
    event.surface, event.locale = shown.surface, shown.locale
    event.channel, event.evidence = shown.channel, shown.evidence
    event.save(force_insert=True)
    Choice.objects.update_or_create(
        subject_id=event.subject_id,
        kind=event.kind,
        key=event.key,
        defaults={"decision": event.decision, "event": event, "since": event.at},
    )
    record(
        actor=actor,
        verb=f"consent.{event.decision}",
        now=event.at,
        object=event,
        subject_id=event.subject_id,
        facts={"kind": event.kind, "key": event.key, "policy": version.digest},
    )
    _tell(event, standing, actor)
    return event


def _tell(event: Event, standing: Choice | None, actor: Actor) -> None:
    """Signals to the rooms above: that a choice changed, and that a yes was taken back."""
    told = {
        "subject_id": event.subject_id,
        "kind": event.kind,
        "key": event.key,
        "decision": event.decision,
        "at": event.at,
        "event_id": event.id,
        "actor": actor,
    }
    signals.changed.send(sender=Event, **told)
    if standing is not None and event.decision == Decision.WITHDRAWN:
        signals.withdrawn.send(sender=Event, **told)
