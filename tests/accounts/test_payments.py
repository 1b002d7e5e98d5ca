"""What pays is read inside an open payment of its owner, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import ProgrammingError, connection, transaction

from accounts import payments
from accounts.models import Payment, PaymentCard, PaymentRead, PaymentToken, User
from audit.log import SYSTEM, person
from audit.models import AuditEntry
from datamap.encryption import decrypt
from datamap.models import Subject
from policy.models import PolicyVersion
from retention.sweep import sweep
from tests.factories.accounts import member, staff_member
from tests.factories.payments import NOW, TOKEN, kept_card, opened
from tests.factories.requests import erased

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def user(clickandchat: PolicyVersion) -> User:
    return member()


def verbs(subject: Subject) -> list[str]:
    """What the log says of the person's cards and payments, in order."""
    entries = AuditEntry.objects.filter(subject_id=subject.pk, verb__contains="card")
    return list(entries.order_by("at", "pk").values_list("verb", flat=True))


def refusal(reference: str, *, now: Any = LATER) -> str:
    with pytest.raises(payments.Refused) as caught:
        payments.read_card(reference=reference, actor=SYSTEM, now=now)
    return caught.value.reason


def test_card_is_kept_as_ciphertext_only(user: User) -> None:
    kept_card(user, token=TOKEN, brand="mastercard", last_four="4444", expires="2031-12")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT string_agg(c::text, '') FROM accounts_paymentcard c)"
            " || (SELECT string_agg(t::text, '') FROM accounts_paymenttoken t)"
        )
        (text,) = cursor.fetchone()
    for plain in (TOKEN, "mastercard", "4444", "2031-12"):
        assert plain not in text
        assert plain.encode().hex() not in text
    assert decrypt(bytes(PaymentToken.objects.get().sealed)) == TOKEN


def test_same_token_is_the_same_card(user: User) -> None:
    first = kept_card(user, token=TOKEN)
    assert kept_card(user, token=TOKEN, now=LATER) == first
    assert PaymentCard.objects.count() == PaymentToken.objects.count() == 1
    assert kept_card(member(), token=TOKEN) != first


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("token", "4111 1111 1111 1111"),
        ("token", "4111111111111111"),
        ("token", "short"),
        ("token", "tok with blanks"),
        ("last_four", "12345"),
        ("last_four", "٤٢٤٢"),
        ("brand", "Visa\n"),
        ("expires", "2028-13"),
        ("expires", "05/28"),
    ],
)
def test_wrong_card_is_refused_by_its_field(user: User, field: str, value: str) -> None:
    wrong: dict[str, Any] = {field: value}
    with pytest.raises(ValidationError) as caught:
        kept_card(user, **wrong)
    assert list(caught.value.message_dict) == [field]
    assert PaymentCard.objects.count() == 0


def test_policy_without_payments_keeps_no_card(wecustomers: PolicyVersion) -> None:
    with pytest.raises(payments.NotOffered):
        kept_card(member())


@pytest.mark.parametrize("flag", ["locked", "restricted"])
def test_closed_person_gets_no_card_and_no_payment(user: User, flag: str) -> None:
    card = kept_card(user)
    Subject.objects.filter(pk=user.subject_id).update(**{flag: True})
    with pytest.raises(payments.Closed):
        kept_card(user)
    with pytest.raises(payments.Closed):
        opened(user, card=card)


def test_open_payment_reads_its_card_and_says_so(user: User) -> None:
    card = kept_card(user, token=TOKEN)
    payment = opened(user, card=card)
    found = payments.read_card(reference=payment.reference, actor=SYSTEM, now=LATER)
    assert (found.token, found.brand, found.last_four, found.expires) == (
        TOKEN,
        "visa",
        "4242",
        "2028-05",
    )
    read = PaymentRead.objects.get()
    assert (read.subject_id, read.card_id, read.payment_id, read.at) == (
        user.subject_id,
        card.pk,
        payment.pk,
        LATER,
    )
    entry = AuditEntry.objects.get(verb="accounts.card-read")
    assert (entry.object_id, entry.facts) == (str(payment.pk), {"note": str(read.pk)})
    assert TOKEN not in repr(found)


def test_nothing_but_an_open_payment_reads_a_card(user: User) -> None:
    card = kept_card(user)
    closed, without = opened(user, card=card), opened(user, card=None)
    payments.close_payment(reference=closed.reference, actor=SYSTEM, now=NOW)
    later = opened(user, card=card, now=LATER + timedelta(seconds=1))
    assert refusal(closed.reference) == "not-open"
    assert refusal(later.reference) == "not-open"
    assert refusal(later.reference, now=later.open_until) == "not-open"
    assert refusal(without.reference) == "no-card"
    assert refusal("A-unknown") == "unknown"
    assert PaymentRead.objects.count() == 0
    assert verbs(user.subject) == ["accounts.card-kept", *["accounts.card-refused"] * 4]


def test_frozen_and_dropped_cards_are_refused(user: User) -> None:
    card = kept_card(user)
    payment = opened(user, card=card)
    PaymentCard.objects.filter(pk=card.pk).update(frozen_at=NOW)
    assert refusal(payment.reference) == "frozen"
    with pytest.raises(payments.Refused):
        opened(user, card=PaymentCard.objects.get())
    PaymentCard.objects.filter(pk=card.pk).update(dropped_at=NOW, token_hash=None)
    assert refusal(payment.reference) == "dropped"


def test_somebody_elses_card_pays_nothing(user: User) -> None:
    other = kept_card(member())
    with pytest.raises(payments.Refused):
        opened(user, card=other)
    payment = opened(user, card=None)
    Payment.objects.filter(pk=payment.pk).update(card=other)  # past the domain
    assert refusal(payment.reference) == "no-card"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kept_read_payment_token(%s, %s, gen_random_uuid(), %s)",
            [other.pk, payment.pk, LATER],
        )
        assert cursor.fetchone() == (None,)
    assert PaymentRead.objects.count() == 0


def test_runtime_role_reads_tokens_through_the_function_only(user: User, runtime_role: str) -> None:
    card = kept_card(user, token=TOKEN)
    payment = opened(user, card=card)
    for statement in (
        "SELECT sealed FROM accounts_paymenttoken",
        "SELECT t::text FROM accounts_paymenttoken t",
        "SELECT count(*) FROM accounts_paymenttoken WHERE sealed IS NOT NULL",
        "COPY accounts_paymenttoken TO STDOUT",
    ):
        with pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert PaymentToken.objects.filter(card=card).count() == 1
    found = payments.read_card(reference=payment.reference, actor=SYSTEM, now=LATER)
    assert found.token == TOKEN
    payments.close_payment(reference=payment.reference, actor=SYSTEM, now=LATER)
    assert refusal(payment.reference, now=LATER + timedelta(minutes=1)) == "not-open"
    assert payments.remove_card(
        subject_id=user.subject_id, handle=card.handle, actor=SYSTEM, now=LATER
    )
    assert PaymentToken.objects.count() == 0


def test_reference_names_one_payment(user: User) -> None:
    opened(user, card=None, reference="A-1")
    with pytest.raises(payments.ReferenceTaken):
        opened(member(), card=None, reference="A-1")
    for wrong in ("", "-a", "a b", "ä", "x" * 65):
        with pytest.raises(ValidationError):
            opened(user, card=None, reference=wrong or " ")


def test_closing_starts_the_clock_of_the_card(user: User) -> None:
    card = kept_card(user)
    first, second = opened(user, card=card), opened(user, card=card)

    def used() -> Any:
        return PaymentCard.objects.get().used_at

    assert used() is None
    payments.close_payment(reference=first.reference, actor=SYSTEM, now=LATER)
    assert used() is None
    payments.close_payment(reference=second.reference, actor=SYSTEM, now=LATER)
    assert used() == LATER
    again = payments.close_payment(
        reference=second.reference, actor=SYSTEM, now=LATER + timedelta(days=1)
    )
    assert again.closed_at == LATER
    with pytest.raises(payments.NoSuchPayment):
        payments.close_payment(reference="A-unknown", actor=SYSTEM, now=LATER)


def test_forgotten_payment_closes_by_itself(user: User) -> None:
    card = kept_card(user)
    payment = opened(user, card=card)
    assert payments.end_forgotten(now=payment.open_until - timedelta(seconds=1)) == 0
    assert payments.end_forgotten(now=payment.open_until, batch=1) == 1
    assert payments.end_forgotten(now=payment.open_until) == 0
    payment.refresh_from_db()
    assert payment.closed_at == payment.open_until


def test_owner_removes_a_card_that_is_not_in_use(user: User) -> None:
    card = kept_card(user)
    payment = opened(user, card=card)

    def remove(owner: User) -> bool:
        return payments.remove_card(
            subject_id=owner.subject_id,
            handle=card.handle,
            actor=person(owner.subject_id),
            now=LATER,
        )

    with pytest.raises(payments.InUse):
        remove(user)
    payments.close_payment(reference=payment.reference, actor=SYSTEM, now=LATER)
    assert remove(member()) is False
    assert remove(user) is True
    assert remove(user) is False
    assert PaymentToken.objects.count() == 0


def test_most_cards(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payments, "MOST_CARDS", 1)
    kept_card(user)
    with pytest.raises(payments.TooManyCards):
        kept_card(user)


def test_erasing_takes_cards_and_payments(user: User) -> None:
    card = kept_card(user)
    payment = opened(user, card=card)
    payments.read_card(reference=payment.reference, actor=SYSTEM, now=LATER)
    other = kept_card(member())
    erased(user, staff_member())
    for model in (PaymentCard, PaymentToken, Payment, PaymentRead):
        assert model._base_manager.count() == (model in (PaymentCard, PaymentToken))
    assert PaymentCard.objects.get() == other


def test_card_ends_as_the_policy_says(
    policy_of: Callable[[str], PolicyVersion], settings: Any
) -> None:
    policy_of("wespro")
    settings.KEPT_SWEEP_BRAKE_SHARE = 1
    user = member()
    used, in_use = kept_card(user), kept_card(user)
    opened(user, card=in_use)
    sweep(now=NOW + timedelta(hours=23))
    assert PaymentCard.objects.count() == 2
    sweep(now=NOW + timedelta(days=2))
    assert PaymentCard.objects.get() == in_use
    assert PaymentToken.objects.count() == 1
    assert used != in_use
