"""Promises about payments and losses, broken on purpose, are reported."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts import emergency, payments
from accounts.controls import payments as checks
from accounts.controls.emergency import lost_or_stolen
from accounts.models import (
    ApiKey,
    LossNotice,
    Payment,
    PaymentCard,
    PaymentRead,
    PaymentToken,
    User,
)
from audit.control import controls, evaluate
from audit.log import SYSTEM, record
from audit.models import AuditEntry, Evidence
from datamap.encryption import encrypt
from datamap.models import Subject, new_id
from policy.models import PolicyVersion
from tests.accounts.dump import dump
from tests.factories.accounts import member
from tests.factories.api import made
from tests.factories.payments import NOW, kept_card, opened
from tests.factories.policy import file_bytes, publish_bytes, relabelled
from tests.factories.retention import make_sessions

LATER = NOW + timedelta(hours=1)
KEYS = ("accounts.payment-reads", "accounts.card-data", "accounts.lost-or-stolen")


@pytest.fixture
def user(clickandchat: PolicyVersion) -> User:
    return member()


def read(user: User) -> Payment:
    """A payment whose card was read."""
    payment = opened(user, card=kept_card(user))
    payments.read_card(reference=payment.reference, actor=SYSTEM, now=LATER)
    return payment


def forged_read(payment: Payment, *, at: Any = LATER, **fields: Any) -> PaymentRead:
    """What somebody with the owner's rights could have the database note."""
    given = {"subject_id": payment.subject_id, "card_id": payment.card_id, "payment": payment}
    return PaymentRead.objects.create(**{**given, "payment_named": payment.pk, "at": at, **fields})


def logged(payment: Payment, note: PaymentRead) -> None:
    record(
        actor=SYSTEM,
        verb="accounts.card-read",
        now=note.at,
        object=payment,
        subject_id=payment.subject_id,
        facts={"note": str(note.pk)},
    )


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("site", ["clickandchat", "wespro", "weapp"])
def test_site_that_keeps_its_promise_is_said_to(
    policy_of: Callable[[str], PolicyVersion], key: str, site: str
) -> None:
    policy_of(site)
    user = member()
    if site != "weapp":
        payment = read(user)
        payments.close_payment(reference=payment.reference, actor=SYSTEM, now=LATER)
    reported(user, now=LATER)
    before = dump()
    evidence = evaluate(control=controls()[key], now=LATER + timedelta(minutes=1))
    assert (evidence.outcome, evidence.violation_ids) == (Evidence.Outcome.KEPT, [])
    assert evidence.checked >= 1
    after = dump()
    assert {table for table in after if after[table] != before[table]} == {"audit_evidence"}


def test_read_without_an_open_payment_is_a_violation(user: User) -> None:
    payment = read(user)
    payments.close_payment(reference=payment.reference, actor=SYSTEM, now=LATER)
    bad = [
        forged_read(payment, at=NOW - timedelta(seconds=1)),
        forged_read(payment, at=LATER + timedelta(seconds=1)),
        forged_read(payment, payment_named=new_id()),
        forged_read(payment, subject_id=member().subject_id),
    ]
    for note in bad:
        logged(Payment(pk=note.payment_named, subject_id=note.subject_id), note)
    found = checks.payment_reads(LATER)
    assert set(found.violations) == {f"read:{note.pk}" for note in bad}
    assert found.figures["reads"] == 5


def test_read_that_is_not_in_the_log_is_a_violation(user: User) -> None:
    payment = read(user)
    note = forged_read(payment, at=LATER + timedelta(seconds=1))
    assert checks.payment_reads(LATER).violations == (f"unlogged:{note.pk}",)


def test_logged_read_that_the_database_does_not_know_is_a_violation(user: User) -> None:
    read(user)
    PaymentRead.objects.all().delete()
    entry = AuditEntry.objects.get(verb="accounts.card-read")
    assert checks.payment_reads(LATER).violations == (f"unnoted:{entry.pk}",)
    Subject.objects.filter(pk=user.subject_id).update(erased_at=LATER, email=None)
    assert checks.payment_reads(LATER).violations == ()


def test_right_to_read_tokens_is_a_violation(user: User, settings: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("GRANT SELECT ON accounts_paymenttoken TO kept_app")
    assert checks.payment_reads(LATER).violations == ("rights: the runtime role reads tokens",)
    settings.RUNTIME_ROLE = "nobody_of_that_name"
    assert checks.payment_reads(LATER).violations == ("rights: no runtime role",)


@pytest.mark.parametrize("broken", ["check", "log"])
def test_reading_after_closing_is_a_violation(
    user: User, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    if broken == "log":
        monkeypatch.setattr(payments, "record", lambda **entry: None)
        told = "probe: the refusal is not in the log"
    else:
        monkeypatch.setattr(payments, "_objection", lambda payment, now: "")
        monkeypatch.setattr(payments, "_handed_out", lambda *a, **k: encrypt("tok_probe"))
        told = "probe: a closed payment read its card"
    assert checks.payment_reads(LATER).violations == (told,)


def test_card_that_outlives_its_account_is_a_violation(user: User) -> None:
    card = kept_card(user)
    assert checks.card_data(NOW).violations == ()
    Subject.objects.filter(pk=user.subject_id).update(erased_at=LATER, email=None)
    assert checks.card_data(NOW).violations == (f"outlived:{card.pk}",)


def test_cancelled_card_with_a_token_is_a_violation(user: User) -> None:
    card = kept_card(user)
    PaymentCard.objects.filter(pk=card.pk).update(dropped_at=NOW, token_hash=None)
    assert checks.card_data(NOW).violations == (f"cancelled:{card.pk}",)


def test_payment_left_open_is_a_violation(user: User) -> None:
    payment = opened(user, card=None)
    assert checks.card_data(payment.open_until).violations == ()
    late = payment.open_until + timedelta(hours=2)
    assert checks.card_data(late).violations == (f"forgotten:{payment.pk}",)


def test_card_in_the_clear_is_a_violation(user: User) -> None:
    card = kept_card(user)
    PaymentCard.objects.filter(pk=card.pk).update(expires=b"2028-05")
    assert checks.card_data(NOW).violations == (f"accounts.payment_card.expires:{card.pk}",)


def test_card_on_a_site_without_payments_is_a_violation(
    policy_of: Callable[[str], PolicyVersion],
) -> None:
    policy_of("clickandchat")
    card = kept_card(member())
    off = file_bytes("policies/clickandchat.toml").replace(b"payments = true", b"payments = false")
    publish_bytes(relabelled(off, "none"), now=NOW - timedelta(days=100))
    assert checks.card_data(NOW).violations == (f"not foreseen:{card.pk}",)


def reported(user: User, *, now: Any, card: bool = True) -> LossNotice:
    """A loss that a worker has acted on."""
    emergency.report(address=user.email, password=True, card=card, now=now)
    emergency.act(now=now)
    return LossNotice.objects.get(subject=user.subject)


def test_log_in_card_and_key_that_still_work_are_violations(user: User) -> None:
    now = timezone.now()
    kept_card(user, now=now)
    key = made(user, now=now).key
    notice = reported(user, now=now)
    assert lost_or_stolen(now).violations == ()
    make_sessions(user, count=1, expire=now + timedelta(days=1), now=now)
    assert lost_or_stolen(now).violations == (f"signed in:{notice.pk}",)
    user.sessions.all().delete()
    PaymentCard.objects.update(frozen_at=None)
    assert lost_or_stolen(now).violations == (f"not frozen:{notice.pk}",)
    PaymentCard.objects.update(frozen_at=now)
    emergency.confirm(notice_id=notice.pk, route=LossNotice.Route.LINK, now=now)
    assert lost_or_stolen(now).violations == ()
    PaymentToken.objects.create(card=PaymentCard.objects.get(), sealed=encrypt("tok_again"))
    ApiKey.objects.filter(pk=key.pk).update(expires_at=now + timedelta(days=1), revoked_at=None)
    make_sessions(user, count=1, expire=now + timedelta(days=1), now=now - timedelta(days=1))
    assert lost_or_stolen(now).violations == (
        f"token left:{notice.pk}",
        f"key left:{notice.pk}",
        f"signed in after:{notice.pk}",
    )


def test_late_stop_is_a_violation(user: User) -> None:
    now = timezone.now()
    waiting = emergency.report(address="x@example.com", password=True, card=False, now=now)
    assert lost_or_stolen(now + timedelta(minutes=5)).violations == ()
    late = now + timedelta(minutes=6)
    assert lost_or_stolen(late).violations == (f"late:{waiting.pk}",)
    waiting.delete()
    notice = reported(user, now=now)
    LossNotice.objects.update(acted_at=late)
    found = lost_or_stolen(late)
    assert found.violations == (f"late:{notice.pk}",)
    assert found.figures["slowest_seconds"] == 360.0


def test_stop_nobody_wrote_down_is_a_violation(user: User) -> None:
    now = timezone.now()
    notice = LossNotice.objects.create(
        subject=user.subject,
        reference="a" * 16,
        state=LossNotice.State.OPEN,
        password=False,
        card=True,
        reported_at=now,
        acted_at=now,
    )
    assert lost_or_stolen(now).violations == (f"not told:{notice.pk}",)
