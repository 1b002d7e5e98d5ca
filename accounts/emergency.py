"""A password or a card in wrong hands: stopped at once, for good only after a second word.

The danger. Whoever has a person's password or card acts now, so waiting for proof is what a thief
hopes for. But anybody can claim it about anybody: a report must not be a weapon that ends
somebody's account, nor a way to ask who has one (CC-26).

The design.
- A report needs no log-in and no proof. It is a row with an address, stored before it is answered;
  for every address alike. A worker finds the person within seconds, and the tick when the queue is
  down. An address nobody has gets a mail that says so, and leaves nothing behind.
- What follows at once can all be taken back: log-ins end, cards freeze, and where it is the
  password, nobody signs in and no API key works until it is settled.
- It is settled by a second route: the link we mail to the registered address, or our staff, who
  know the person in some other way and are not that person. Confirmed, the tokens of the cards are
  deleted, the password is void, keys end; taken back, everything is as it was.
- The link opens one page, without a log-in, for a week; a further report mails a fresh one.
- All moves are conditional on the state they start from, so that two answers can't both win.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.urls import reverse

from accounts import keys, sessions, tasks
from accounts.models import LossNotice, PaymentCard, PaymentToken, User
from accounts.registration import absolute
from audit.log import SYSTEM, Actor, person, record, staff
from consent.mail import post
from datamap.dispatch import send_on_commit
from datamap.encryption import decrypt, encrypt
from datamap.models import Subject

LINK_LIVES: Final = timedelta(days=7)
# Whoever keeps reporting an address fills no mailbox: one link an hour is enough.
FRESH_LINK_AFTER: Final = timedelta(hours=1)
State = LossNotice.State


class Settled(ValueError):
    """The notice can't make this move any more; `state` is where it is."""

    def __init__(self, state: str) -> None:
        self.state = state
        super().__init__(f"this notice is {state}")


class OwnNotice(PermissionError):
    """Nobody on the staff decides about themselves."""


def report(
    *, address: str, password: bool, card: bool, now: datetime, language: str = "en"
) -> LossNotice:
    """Store that something of this address's owner is lost; one row and one task for every
    address. Raises `ValueError` when neither is.
    """
    if not (password or card):
        raise ValueError("nothing is lost")
    with transaction.atomic():
        notice = LossNotice.objects.create(
            address=encrypt(address),
            reference=_new_reference(),
            password=password,
            card=card,
            language=language,
            reported_at=now,
        )
        send_on_commit(tasks.act_on_losses)
    return notice


def act(*, now: datetime, batch: int = 50) -> int:
    """Stop what was reported; how many reports. Any number of workers may do it at once."""
    done = 0
    while done < batch:
        with transaction.atomic():
            notice = (
                LossNotice.objects.select_for_update(skip_locked=True)
                .filter(state=State.REPORTED)
                .order_by("reported_at")
                .first()
            )
            if notice is None:
                return done
            _act_on(notice, now=now)
        done += 1
    return done


def lock_out(
    *,
    subject: Subject,
    password: bool,
    card: bool,
    reported_at: datetime,
    actor: Actor,
    now: datetime,
    language: str = "en",
    reference: str = "",
) -> LossNotice:
    """End the person's log-ins and freeze their cards, until the notice is settled; mail the link.

    A second report joins the open one. reported_at: when it reached us. actor: who passed it on.
    """
    with transaction.atomic():
        held = Subject.objects.select_for_update(no_key=True).get(pk=subject.pk)
        notice = _open_notice(held.pk)
        if notice is None:
            notice = LossNotice(
                subject=held,
                reference=reference or _new_reference(),
                state=State.OPEN,
                language=language,
                reported_at=reported_at,
                acted_at=now,
            )
        notice.password, notice.card = notice.password or password, notice.card or card
        user = User.objects.filter(subject=held).first()
        notice.sessions_ended += sessions.end_all(user_id=user.pk, now=now) if user else 0
        notice.save()
        cards = PaymentCard.objects.filter(subject=held, dropped_at=None, frozen_at=None)
        frozen = sum(freeze_card(card=each, notice=notice, now=now) for each in cards)
        notice.cards_frozen += frozen
        notice.save(update_fields=["cards_frozen"])
        _note(notice, "accounts.loss-reported", actor, now, password=password, card=card)
        if user is not None:
            _mail_link(notice, user, now=now)
    return notice


def freeze_card(*, card: PaymentCard, notice: LossNotice, now: datetime) -> bool:
    """Stop a card until the notice is settled; False when it was stopped before."""
    found = PaymentCard.objects.filter(pk=card.pk, frozen_at=None, dropped_at=None)
    return bool(found.update(frozen_at=now, frozen_by=notice))


def confirm(
    *, notice_id: UUID, route: LossNotice.Route, now: datetime, decider: User | None = None
) -> LossNotice:
    """It is true: delete what pays, void the password, end the keys; all in one transaction.

    decider: the member of staff, where it is not the link. Raises `Settled`, `OwnNotice`.
    """
    with transaction.atomic():
        notice = _settleable(notice_id, decider=decider)
        if notice.card:
            notice_cards = _drop_cards(notice, now=now)
        else:
            notice_cards = 0
            _thaw(notice)
        if notice.password:
            _void_password(notice, decider=decider, now=now)
        _move(
            notice,
            state=State.CONFIRMED,
            route=route,
            decided_by=decider.pk if decider else None,
            confirmed_at=now,
            done_at=now,
            closed_at=now,
        )
        facts = {"route": str(route), "cards_dropped": notice_cards}
        _note(notice, "accounts.loss-confirmed", _by(notice, decider), now, **facts)
        _mail(notice, "account_loss_confirmed", now, reset_url=_reset_page())
    return notice


def undo(
    *, notice_id: UUID, route: LossNotice.Route, now: datetime, decider: User | None = None
) -> LossNotice:
    """It was a mistake: cards and log-in work again. Raises `Settled`, `OwnNotice`."""
    with transaction.atomic():
        notice = _settleable(notice_id, decider=decider)
        _thaw(notice)
        _move(
            notice,
            state=State.UNDONE,
            route=route,
            decided_by=decider.pk if decider else None,
            closed_at=now,
        )
        _note(notice, "accounts.loss-undone", _by(notice, decider), now, route=str(route))
        _mail(notice, "account_loss_undone", now, reset_url=_reset_page())
    return notice


def find(*, token: str, now: datetime) -> LossNotice | None:
    """The notice a mailed link leads to; none for a wrong and an expired one alike."""
    found = LossNotice.objects.filter(token_hash=hashed(token), link_until__gt=now)
    return found.select_related("subject").first()


def owner_of(notice: LossNotice) -> User | None:
    """The account it is about."""
    users = User.objects.select_related("subject")
    return users.filter(subject__loss_notices=notice).first()


def hashed(token: str) -> str:
    """What a link's token is stored as: SHA-256 in hex; the token has 256 bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _act_on(notice: LossNotice, *, now: datetime) -> None:
    """Find the person; the row with the address ends, whether there is one or not."""
    address = decrypt(bytes(notice.address or b""))
    user = User.objects.select_related("subject").filter(email=address).first()
    notice.delete()
    if user is None:
        post(
            category="account",
            template="account_loss_unknown",
            context={"signup_url": absolute(reverse("accounts:signup"))},
            address=address,
            subject_id=None,
            now=now,
            language=notice.language,
        )
        return
    lock_out(
        subject=user.subject,
        password=notice.password,
        card=notice.card,
        reported_at=notice.reported_at,
        actor=SYSTEM,
        now=now,
        language=notice.language,
        reference=notice.reference,
    )


def _open_notice(subject_id: UUID) -> LossNotice | None:
    open_ones = LossNotice.objects.select_for_update().filter(
        subject_id=subject_id, state=State.OPEN
    )
    return open_ones.first()


def _settleable(notice_id: UUID, *, decider: User | None) -> LossNotice:
    notice = LossNotice.objects.select_for_update().get(pk=notice_id)
    if decider is not None and decider.subject_id == notice.subject_id:
        raise OwnNotice
    if notice.state != State.OPEN:
        raise Settled(notice.state)
    return notice


def _move(notice: LossNotice, **fields: Any) -> None:
    """Out of the open state, once. Raises `Settled` when somebody was faster."""
    if not LossNotice.objects.filter(pk=notice.pk, state=State.OPEN).update(**fields):
        raise Settled(LossNotice.objects.values_list("state", flat=True).get(pk=notice.pk))
    notice.refresh_from_db()


def _thaw(notice: LossNotice) -> None:
    PaymentCard.objects.filter(frozen_by=notice, dropped_at=None).update(
        frozen_at=None, frozen_by=None
    )


def _drop_cards(notice: LossNotice, *, now: datetime) -> int:
    """Delete the tokens; the rows stay to tell the owner, until their own period ends."""
    cards = PaymentCard.objects.filter(subject__loss_notices=notice, dropped_at=None)
    ids = list(cards.select_for_update(of=("self",)).values_list("pk", flat=True))
    PaymentToken.objects.filter(card_id__in=ids).delete()
    return PaymentCard.objects.filter(pk__in=ids).update(
        dropped_at=now, token_hash=None, used_at=now
    )


def _void_password(notice: LossNotice, *, decider: User | None, now: datetime) -> None:
    user = owner_of(notice)
    if user is None:
        return
    user.set_unusable_password()
    user.save(update_fields=["password"])
    sessions.end_all(user_id=user.pk, now=now)
    keys.revoke_all(user=user, actor=_by(notice, decider), now=now)


def _by(notice: LossNotice, decider: User | None) -> Actor:
    if decider is not None:
        return staff(decider.pk)
    return person(notice.subject_id) if notice.subject_id else SYSTEM


def _mail_link(notice: LossNotice, user: User, *, now: datetime) -> None:
    """A fresh link to the registered address, unless one went out within the hour."""
    if notice.link_until and now < notice.link_until - LINK_LIVES + FRESH_LINK_AFTER:
        return
    token = secrets.token_urlsafe(32)
    notice.token_hash, notice.link_until = hashed(token), now + LINK_LIVES
    notice.save(update_fields=["token_hash", "link_until"])
    link = absolute(reverse("accounts:loss", args=[token]))
    _mail(notice, "account_loss_noticed", now, link=link, days=LINK_LIVES.days)


def _mail(notice: LossNotice, template: str, now: datetime, **context: Any) -> None:
    user = owner_of(notice)
    if user is None:
        return
    what = {"password": notice.password, "card": notice.card}
    post(
        category="account",
        template=template,
        context={**what, **context},
        address=user.email,
        subject_id=notice.subject_id,
        now=now,
        language=notice.language,
    )


def _reset_page() -> str:
    return absolute(reverse("account_reset_password"))


def _note(notice: LossNotice, verb: str, actor: Actor, now: datetime, **facts: Any) -> None:
    record(
        actor=actor,
        verb=verb,
        now=now,
        object=notice,
        subject_id=notice.subject_id,
        facts=facts,
    )


def _new_reference() -> str:
    return secrets.token_hex(8)
