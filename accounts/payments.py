"""Cards and payments: what pays is read inside an open payment of its owner, and nowhere else.

The danger. Whoever can read what pays can pay with it: every reader is a thief in waiting, and a
card kept "for later" is the thing worth stealing (WD-9, CC-4, CC-24).

The design.
- The full number never comes here. The payment company keeps it and gives the site's programs a
  token, which they hand over with brand, last four digits and expiry. All of it is encrypted; the
  doors refuse a number in place of a token (`datamap.never_stored`).
- The token lies in a table of its own, out of the runtime role's reach. One function of the
  database hands it out, when card and payment are the same person's, the payment is open at that
  moment and the card is neither frozen nor dropped; in the same statement it notes that it did.
- Every reading is written into the log with its payment; so is every refusal, with its reason.
- A payment that nobody closes ends by itself (`end_forgotten`).
- The policy says whether the site takes payments at all, and when a card ends: the clock `used`
  stands still while a payment with it is open.

The owner sees brand and last four digits. Staff see none of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import Payment, PaymentCard, PaymentToken
from audit.log import SYSTEM, Actor, record
from datamap import never_stored
from datamap.encryption import decrypt, encrypt, keyed_hash
from datamap.models import Subject, new_id
from policy import current

LONGEST_OPEN: Final = timedelta(days=7)
MOST_CARDS: Final = 20  # of one person
BRANDS: Final = re.compile(r"[a-z][a-z -]{1,29}")
REFERENCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TOKEN: Final = re.compile(r"[\x21-\x7e]{8,200}")
_EXPIRES: Final = re.compile(r"20[0-9]{2}-(?:0[1-9]|1[0-2])")
_LAST_FOUR: Final = re.compile(r"[0-9]{4}")


class NotOffered(Exception):
    """The policy in force takes no payments."""


class Closed(Exception):
    """The person is locked, restricted or erased: nothing new is stored about them."""


class TooManyCards(Exception):
    """The person has as many cards as they may."""


class ReferenceTaken(ValueError):
    """Another payment bears this reference."""


class NoSuchPayment(LookupError):
    """No payment bears this reference."""


class InUse(Exception):
    """A payment with this card is open."""


class Refused(PermissionError):
    """The card may not be read; `reason` says why: one of `REASONS`."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


REASONS: Final = ("unknown", "not-open", "no-card", "frozen", "dropped", "gone")


@dataclass(frozen=True, repr=False)
class CardData:
    """What the payment company needs, and how its owner knows the card. Never in a log."""

    token: str
    brand: str
    last_four: str
    expires: str


@dataclass(frozen=True)
class OwnCard:
    """A card as its owner sees it."""

    card: PaymentCard
    brand: str
    last_four: str
    expires: str
    in_use: bool


def keep_card(
    *,
    subject: Subject,
    token: str,
    brand: str,
    last_four: str,
    expires: str,
    actor: Actor,
    now: datetime,
) -> PaymentCard:
    """Keep a card of the payment company's; the same token again is the same card.

    brand: as the company names it, lower case. expires: year and month, `2027-04`.

    Raises `ValidationError` by field, `NotOffered`, `Closed`, `TooManyCards`.
    """
    _check_card(token=token, brand=brand, last_four=last_four, expires=expires)
    hashed = keyed_hash(token)
    with transaction.atomic():
        held = _held(subject.pk, now=now)
        cards = PaymentCard.objects.filter(subject=held, dropped_at=None)
        known = cards.filter(token_hash=hashed).first()
        if known is not None:
            return known
        if cards.count() >= MOST_CARDS:
            raise TooManyCards
        card = PaymentCard.objects.create(
            subject=held,
            token_hash=hashed,
            brand=encrypt(brand),
            last_four=encrypt(last_four),
            expires=encrypt(expires),
            added_at=now,
            used_at=now,
        )
        PaymentToken.objects.create(card=card, sealed=encrypt(token))
        record(
            actor=actor,
            verb="accounts.card-kept",
            now=now,
            object=card,
            subject_id=held.pk,
        )
    return card


def open_payment(
    *,
    subject: Subject,
    reference: str,
    kind: str,
    card: PaymentCard | None,
    actor: Actor,
    now: datetime,
) -> Payment:
    """Begin a payment: until it is closed, for seven days at most, its card may be read.

    Raises `ValidationError` by field, `NotOffered`, `Closed`, `ReferenceTaken`, `Refused` for a
    card that is somebody else's, frozen or dropped.
    """
    if not REFERENCE.fullmatch(reference):
        told = _("Write letters, digits, dots, dashes and underscores, 64 at most.")
        raise ValidationError({"reference": told})
    with transaction.atomic():
        held = _held(subject.pk, now=now)
        if card is not None:
            _check_usable(card, owner=held)
        try:
            with transaction.atomic():
                payment = Payment.objects.create(
                    subject=held,
                    card=card,
                    reference=reference,
                    kind=Payment.Kind(kind),
                    opened_at=now,
                    open_until=now + LONGEST_OPEN,
                )
        except IntegrityError:
            raise ReferenceTaken(reference) from None
        if card is not None:
            PaymentCard.objects.filter(pk=card.pk).update(used_at=None)
        record(
            actor=actor,
            verb="accounts.payment-opened",
            now=now,
            object=payment,
            subject_id=held.pk,
            facts={"kind": kind, "open_until": payment.open_until.isoformat()},
        )
    return payment


def close_payment(*, reference: str, actor: Actor, now: datetime) -> Payment:
    """End a payment: its card is out of reach from now on. Closed twice is closed once.

    Raises `NoSuchPayment`.
    """
    with transaction.atomic():
        payment = _named(reference).select_for_update().first()
        if payment is None:
            raise NoSuchPayment(reference)
        if payment.closed_at is None:
            _close(payment, actor=actor, now=now)
    return payment


def read_card(*, reference: str, actor: Actor, now: datetime) -> CardData:
    """What pays, inside an open payment of its owner. Every reading and refusal is logged.

    Raises `Refused`; the refusal stays in the log, unless the caller's own transaction goes back.
    """
    with transaction.atomic():
        payment = _named(reference).select_related("card").first()
        reason, note = _objection(payment, now=now), new_id()
        sealed = _handed_out(payment, note=note, now=now) if payment and not reason else None
        if not reason and sealed is None:
            reason = "gone"
        record(
            actor=actor,
            verb="accounts.card-refused" if reason else "accounts.card-read",
            now=now,
            object=payment,
            subject_id=payment.subject_id if payment else None,
            facts={"reason": reason} if reason else {"note": str(note)},
        )
    if sealed is None or payment is None or payment.card is None:
        raise Refused(reason)
    return CardData(token=decrypt(sealed), **_shown(payment.card))


def takes_payments() -> bool:
    """Whether the policy in force has payments at all; without a query."""
    try:
        return current.document().features.payments
    except current.NoPolicy:
        return False


def cards_of(subject_id: UUID) -> list[OwnCard]:
    """A person's cards, newest first; without what pays. Two queries."""
    cards = PaymentCard.objects.filter(subject_id=subject_id).order_by("-added_at", "-pk")
    busy = set(_open_payments(subject_id).values_list("card_id", flat=True))
    return [OwnCard(card=c, in_use=c.pk in busy, **_shown(c)) for c in cards]


def payments_of(subject_id: UUID) -> QuerySet[Payment]:
    """A person's payments, newest first, each with how often its card was read."""
    rows = Payment.objects.filter(subject_id=subject_id).prefetch_related("reads")
    return rows.order_by("-opened_at", "-pk")


def remove_card(*, subject_id: UUID, handle: str, actor: Actor, now: datetime) -> bool:
    """Delete one of a person's own cards, with what pays; False when there is none such.

    Raises `InUse` while a payment with it is open.
    """
    with transaction.atomic():
        card = (
            PaymentCard.objects.select_for_update()
            .filter(subject_id=subject_id, handle=handle)
            .first()
        )
        if card is None:
            return False
        if _open_payments(subject_id).filter(card=card).exists():
            raise InUse
        record(
            actor=actor,
            verb="accounts.card-removed",
            now=now,
            object=card,
            subject_id=subject_id,
        )
        card.delete()
    return True


def end_forgotten(*, now: datetime, batch: int = 100) -> int:
    """Close the payments that nobody closed in time; how many."""
    ended = 0
    while True:
        with transaction.atomic():
            over = list(
                Payment.objects.select_for_update(skip_locked=True)
                .filter(closed_at=None, open_until__lte=now)
                .order_by("open_until")[:batch]
            )
            for payment in over:
                _close(payment, actor=SYSTEM, now=payment.open_until)
        ended += len(over)
        if not over:
            return ended


def _close(payment: Payment, *, actor: Actor, now: datetime) -> None:
    # Not before it was opened, whatever the caller's clock says.
    payment.closed_at = max(now, payment.opened_at)
    payment.save(update_fields=["closed_at"])
    still = _open_payments(payment.subject_id).filter(card_id=payment.card_id)
    if payment.card_id is not None and not still.exists():
        PaymentCard.objects.filter(pk=payment.card_id).update(used_at=payment.closed_at)
    record(
        actor=actor,
        verb="accounts.payment-closed",
        now=payment.closed_at,
        object=payment,
        subject_id=payment.subject_id,
    )


def _held(subject_id: UUID, *, now: datetime) -> Subject:
    """The person, locked against their erasure. Raises `NotOffered`, `Closed`."""
    if not current.fresh(now).document.features.payments:
        raise NotOffered
    held = Subject.objects.select_for_update(no_key=True).get(pk=subject_id)
    if held.locked or held.restricted or held.erased_at is not None:
        raise Closed
    return held


def _open_payments(subject_id: UUID) -> QuerySet[Payment]:
    return Payment.objects.filter(subject_id=subject_id, closed_at=None)


def _named(reference: str) -> QuerySet[Payment]:
    """The payment of this reference; what can be none is not looked for."""
    payments = Payment.objects.filter(reference=reference)
    return payments if REFERENCE.fullmatch(reference) else payments.none()


def _handed_out(payment: Payment, *, note: UUID, now: datetime) -> bytes | None:
    """The sealed token, from the one function that may read it; it notes the reading as `note`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kept_read_payment_token(%s, %s, %s, %s)",
            [payment.card_id, payment.pk, note, now],
        )
        row = cursor.fetchone()
    return bytes(row[0]) if row and row[0] is not None else None


def _objection(payment: Payment | None, *, now: datetime) -> str:
    """Why the card may not be read; the database decides again for itself."""
    if payment is None:
        return "unknown"
    if not payment.is_open(now):
        return "not-open"
    return _unusable(payment.card, owner_id=payment.subject_id)


def _check_usable(card: PaymentCard, *, owner: Subject) -> None:
    if reason := _unusable(card, owner_id=owner.pk):
        raise Refused(reason)


def _unusable(card: PaymentCard | None, *, owner_id: UUID) -> str:
    if card is None or card.subject_id != owner_id:
        return "no-card"
    if card.dropped_at is not None:
        return "dropped"
    return "frozen" if card.frozen_at is not None else ""


def _shown(card: PaymentCard) -> dict[str, str]:
    return {name: decrypt(bytes(getattr(card, name))) for name in ("brand", "last_four", "expires")}


def _check_card(*, token: str, brand: str, last_four: str, expires: str) -> None:
    """Raises `ValidationError` by field. A token that is a card number is no token."""
    wrong: dict[str, str] = {}
    try:
        never_stored.refuse(token)
    except ValidationError as error:
        wrong["token"] = error.messages[0]
    if not _TOKEN.fullmatch(token):
        wrong["token"] = _("Send the payment company's token, 8 to 200 visible characters.")
    if not BRANDS.fullmatch(brand):
        wrong["brand"] = _("Write the brand in lower-case letters, such as visa.")
    if not _LAST_FOUR.fullmatch(last_four):
        wrong["last_four"] = _("Write the last four digits and no more.")
    if not _EXPIRES.fullmatch(expires):
        wrong["expires"] = _("Write year and month, such as 2027-04.")
    if wrong:
        raise ValidationError(wrong)
