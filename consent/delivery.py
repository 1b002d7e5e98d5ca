"""Sending what the mail gate stored, without ever mailing against somebody's choice.

The danger: SMTP can't be exactly-once, a worker can die at any instant, and a person may take a
yes back while their message is on its way out. The design:

- Postgres is the truth. Workers claim queued rows with a lease (SKIP LOCKED); a lost task or a
  dead broker costs time, for the tick finds what is due.
- `sending` is committed before anything is said to the relay. After a crash nobody knows whether
  the words left: voluntary mail and invitations become `uncertain` and are never sent again;
  account mail and answers are sent again under the same Message-ID, so mail programs can tell the
  double.
- The decision is read under the lock of the subject's row, which decisions take as well
  (`consent.ledger`). The lock is held for one message at a time and at most `relay.LONGEST`.
  So a withdrawal is committed before the decision is read, or after the words left. An invitation
  is asked about under the lock of its own row (`consent.invited`), which removing it takes, too.
- An answer may outlive its person, for it tells of the erasure. It ends under the same lock, which
  the end of an erasure takes as well: either the erasure still finds it, or it removes itself.
- What is taken or given up loses its words in the same transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F, Q

from audit.log import SYSTEM, record
from consent import invited, wire, words
from consent.ledger import lock_person, may
from consent.letter import Letter
from consent.models import INVITATION, Choice, Kind, Message, State
from consent.relay import Known, Relay, RelayUnreachable
from datamap.encryption import Unreadable
from policy import current

log = structlog.get_logger(__name__)
Clock = Callable[[], datetime]

BATCH = 10
# Short, so that a dead worker's mail goes on within a minute. Who oversleeps a lease sends nothing.
CLAIM = SENDING = timedelta(seconds=20)
RELAY_PAUSE = timedelta(minutes=1)
# RFC 5321 4.5.4.1: go on trying for four to five days.
BACKOFF = [timedelta(minutes=m) for m in (1, 5, 15, 60, 180)]
SLOWEST = timedelta(hours=6)
ATTEMPTS = 24
MOST_STUCK = 1_000  # of one look; the next tick looks again
# Nothing about these depends on the person's row.
WITHOUT_LOCK = ("account", "staff")


def deliver_due(*, clock: Clock, budget: timedelta, batch: int = BATCH) -> Counter[str]:
    """Send what is due until nothing is, or the budget is spent; how many ended in which state."""
    tally: Counter[str] = Counter()
    end = clock() + budget
    recover(now=clock())
    with Relay() as relay:
        while clock() < end:
            claimed = _claim(now=clock(), limit=batch)
            if not claimed or not _deliver(claimed, relay=relay, clock=clock, tally=tally):
                break
    return tally


def deliver_one(message_id: UUID, *, clock: Clock) -> Counter[str]:
    """Send this message if it is due and nobody else has it."""
    tally: Counter[str] = Counter()
    with Relay() as relay:
        claimed = _claim(now=clock(), limit=1, message_id=message_id)
        _deliver(claimed, relay=relay, clock=clock, tally=tally)
    return tally


def recover(*, now: datetime) -> int:
    """Decide about messages whose sender died between `sending` and the answer; how many."""
    count = 0
    # Index consent_message_lease.
    stuck = Message.objects.filter(state=State.SENDING, lease_until__lt=now).order_by("lease_until")
    for message_id, lease in list(stuck.values_list("pk", "lease_until")[:MOST_STUCK]):
        assert lease is not None  # of the condition above
        with transaction.atomic():
            # A sender that lives holds the locks, and afterwards the message is no longer stuck.
            message = _locked(message_id, lease)
            if message is not None:
                _decide_stuck(message, now=now)
                count += 1
    return count


def _decide_stuck(message: Message, *, now: datetime) -> None:
    """Nobody knows whether its words left: what nobody asked for ends here, the rest goes again."""
    if message.is_unasked:
        _end(message, State.UNCERTAIN, now=now, failure="crash")
    elif message.attempts >= ATTEMPTS:
        _end(message, State.FAILED, now=now, failure="crash")
    else:
        # At once the first time: somebody may be waiting for it.
        pause = _pause(message.attempts) if message.attempts > 1 else timedelta(0)
        _again(message, at=now + pause, failure="crash")


def _claim(*, now: datetime, limit: int, message_id: UUID | None = None) -> dict[UUID, datetime]:
    """Take due messages for `CLAIM`; id → until when. The lease is what tells whose they are."""
    lease = now + CLAIM
    with transaction.atomic():
        due = Message.objects.filter(state=State.QUEUED, due_at__lte=now).filter(
            Q(lease_until=None) | Q(lease_until__lt=now)
        )
        if message_id is not None:
            due = due.filter(pk=message_id)
        # Index consent_message_due.
        rows = due.order_by("due_at").select_for_update(skip_locked=True)[:limit]
        ids = [message.pk for message in rows.only("pk")]
        Message.objects.filter(pk__in=ids).update(lease_until=lease)
    return dict.fromkeys(ids, lease)


def _deliver(
    claimed: dict[UUID, datetime], *, relay: Relay, clock: Clock, tally: Counter[str]
) -> bool:
    """Send claimed messages one by one; False when the relay can't be reached."""
    for message_id, lease in claimed.items():
        try:
            relay.open()
        except RelayUnreachable as error:
            log.warning("mail.relay_unreachable", code=error.code)
            mine = Message.objects.filter(pk__in=claimed, state=State.QUEUED, lease_until=lease)
            mine.update(lease_until=None, due_at=clock() + RELAY_PAUSE)
            return False
        try:
            state = _deliver_claimed(message_id, lease, relay=relay, clock=clock)
        except Exception as error:  # noqa: BLE001  one message's trouble stops no other
            # It stays `sending` until its lease ends; then `recover` decides about it.
            log.error("mail.delivery_broke", id=str(message_id), error=type(error).__name__)
            relay.close()
            continue
        if state is not None:
            tally[state] += 1
    return True


def _deliver_claimed(
    message_id: UUID, lease: datetime, *, relay: Relay, clock: Clock
) -> str | None:
    """Commit `sending`, then send; the state it has afterwards, or None if it was not ours."""
    now = clock()
    until = now + SENDING
    with transaction.atomic(durable=True):
        taken = Message.objects.filter(pk=message_id, state=State.QUEUED, lease_until=lease).update(
            state=State.SENDING, lease_until=until, sent_at=now, attempts=F("attempts") + 1
        )
    if not taken:
        return None
    with transaction.atomic(durable=True):
        message = _locked(message_id, until)
        return _send(message, relay=relay, now=clock()) if message else None


def _locked(message_id: UUID, lease: datetime) -> Message | None:
    """The message, its row locked, and before it those of the person who may refuse it, or whom an
    answer may outlive. The order, subjects before message, is the one of erasure.
    """
    who = Message.objects.filter(pk=message_id).exclude(category__in=WITHOUT_LOCK)
    subject_id = who.values_list("subject_id", flat=True).first()
    if subject_id is not None:
        lock_person(subject_id)
    rows = Message.objects.select_for_update().filter(pk=message_id, state=State.SENDING)
    return rows.filter(lease_until=lease).first()


def _send(message: Message, *, relay: Relay, now: datetime) -> str:
    """Ask the ledger, then hand the words over; everything under the locks of `_locked`."""
    message.sent_at = now
    if message.is_voluntary and not _is_wanted(message, now=now):
        return _end(message, State.REFUSED, now=now)
    if message.category == INVITATION and not invited.may_leave(message.pk, now):
        return _end(message, State.REFUSED, now=now)
    try:
        letter = Letter.unseal(bytes(message.sealed or b""))
    except Unreadable:
        return _end(message, State.FAILED, now=now, failure="unreadable")
    raw = wire.to_bytes(
        letter,
        message_id=message.message_id,
        one_click=message.is_unasked,
        language=message.language,
        now=now,
    )
    message.footer = words.store(
        text=wire.footer_of(raw, refusal=letter.refusal), locale=message.language
    )
    try:
        outcome = relay.hand_over(recipient=letter.recipient, raw=raw)
    except RelayUnreachable as error:
        return _again(message, at=now + RELAY_PAUSE, failure=error.code)
    if outcome.known is Known.TAKEN:
        return _end(message, State.SENT, now=now)
    if outcome.known is Known.UNKNOWN and message.is_unasked:
        return _end(message, State.UNCERTAIN, now=now, failure=outcome.code)
    if outcome.known is Known.NEVER or message.attempts >= ATTEMPTS:
        return _end(message, State.FAILED, now=now, failure=outcome.code)
    return _again(message, at=now + _pause(message.attempts), failure=outcome.code)


def _is_wanted(message: Message, *, now: datetime) -> bool:
    """What the ledger and the policy in force say now; the event it rests on is noted."""
    assert message.subject_id is not None
    version = current.fresh(now)
    key = message.category
    message.decision = (
        Choice.objects.filter(subject_id=message.subject_id, kind=Kind.MAIL, key=key)
        .values_list("event_id", flat=True)
        .first()
    )
    return may(subject_id=message.subject_id, kind=Kind.MAIL, key=key, document=version.document)


def _pause(attempts: int) -> timedelta:
    return BACKOFF[attempts - 1] if attempts <= len(BACKOFF) else SLOWEST


def _again(message: Message, *, at: datetime, failure: str = "") -> str:
    """Back into the queue, due then, under the same Message-ID."""
    message.state, message.due_at, message.failure = State.QUEUED, at, failure
    message.lease_until = message.sent_at = None
    message.save()
    return message.state


def _end(message: Message, state: State, *, now: datetime, failure: str = "") -> str:
    """A final state: the words go, the audit log has an entry. Of an erased person's answer
    nothing stays but that entry.
    """
    message.state, message.failure = state, failure
    message.sealed = message.lease_until = None
    message.ended_at = now
    if state in (State.REFUSED, State.FAILED):
        message.sent_at = None
    message.save()
    record(
        actor=SYSTEM,
        verb=f"consent.mail-{state}",
        now=now,
        object=message,
        subject_id=message.subject_id,
        facts={
            "category": message.category,
            "template": message.template,
            "message_id": message.message_id,
            "footer": message.footer_id,
            "failure": failure,
        },
    )
    if message.subject is not None and message.subject.erased_at is not None:
        message.delete()
    return state
