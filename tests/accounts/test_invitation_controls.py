"""The three controls of invitations, each kept on an honest site and broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection

from accounts import invitations, suppressions
from accounts.controls import invitation_probe
from accounts.controls import invitations as checks
from accounts.models import Invitation, Referral, Suppression, User
from accounts.password_reset import ask_for_reset
from audit.control import controls, evaluate
from audit.log import VISITOR
from audit.models import Evidence
from consent import delivery, mail
from consent.models import Message
from datamap.encryption import keyed_hash
from policy.models import PolicyVersion
from retention import erase, erase_worker
from tests.accounts.dump import dump
from tests.factories.accounts import member
from tests.factories.invitations import FRIEND, NOW, invite, invited
from tests.plugins.smtp import Server

KEYS = ("accounts.one-invitation", "accounts.invited-address-use", "accounts.invitee-removal")
LATER = NOW + timedelta(hours=1)


@pytest.fixture(autouse=True)
def no_counts() -> None:
    cache.clear()


@pytest.fixture
def robin(wecustomers: PolicyVersion) -> User:
    return member()


@pytest.fixture
def sent(robin: User, smtp: Server) -> Message:
    """An invitation that left."""
    invite(robin)
    delivery.deliver_due(clock=lambda: NOW, budget=timedelta(seconds=5))
    message = Message.objects.get(category="invitation")
    assert message.state == "sent"
    return message


def test_line_to_refuse_offers_is_in_invitations_too(sent: Message) -> None:
    evidence = evaluate(control=controls()["consent.refusal-line"], now=LATER)
    assert (evidence.outcome, evidence.violation_ids) == (Evidence.Outcome.KEPT, [])
    assert sent.footer is not None
    assert "nobody can invite you again: (link)" in sent.footer.text


def copied(message: Message, **changes: Any) -> Message:
    """Another message like it, put into the log by somebody's hand."""
    pk = Message._meta.get_field("id").get_default()
    fields = {f.attname: getattr(message, f.attname) for f in Message._meta.concrete_fields}
    new = {"id": pk, "message_id": f"<{pk}@localhost>", "token_hash": f"{pk.int:064x}"}
    return Message.objects.create(**{**fields, **new, **changes})


@pytest.mark.parametrize("key", KEYS)
def test_used_site_keeps_them_and_the_check_leaves_nothing(
    robin: User, sent: Message, key: str
) -> None:
    friend, other = member(), member()
    invite(other)
    found = invitations.find(invited(robin, "second@example.com"))
    assert found is not None
    invitations.accept(invitation_id=found.pk, user=friend, now=LATER)
    suppressions.remove_address(
        address=FRIEND, basis=Suppression.Basis.LINK, actor=VISITOR, now=LATER
    )
    before = dump()
    evidence = evaluate(control=controls()[key], now=LATER)
    assert (evidence.outcome, evidence.violation_ids) == (Evidence.Outcome.KEPT, [])
    assert evidence.checked > 0
    after = dump()
    del before["audit_evidence"], after["audit_evidence"]
    assert after == before


def test_second_message_is_a_violation(sent: Message) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX consent_message_one_invitation")
    second = copied(sent, posted_at=LATER)
    assert checks.one_email(LATER).violations == (str(second.pk),)


def test_one_that_never_left_is_none(sent: Message) -> None:
    copied(sent, state="refused", sent_at=None)
    assert checks.one_email(LATER).violations == ()


def test_reminder_in_other_words_is_a_violation(sent: Message) -> None:
    reminder = copied(sent, category="account", template="invitation")
    assert checks.one_email(LATER).violations == (str(reminder.pk),)


def test_words_nobody_approved_are_a_violation(sent: Message) -> None:
    Message.objects.update(template_digest="0" * 64)
    assert checks.one_email(LATER).violations == (str(sent.pk),)


def test_other_mail_to_an_invited_address_is_a_violation(sent: Message) -> None:
    offer = copied(sent, category="account", template="sale", posted_at=LATER)
    assert checks.nothing_else(LATER).violations == (str(offer.pk),)


def test_answers_to_who_types_the_address_are_none(sent: Message) -> None:
    ask_for_reset(email=FRIEND, now=LATER, language="en")
    suppressions.ask(address=FRIEND, wish=suppressions.Wish.REMOVE, now=LATER)
    assert Message.objects.count() >= 3
    assert checks.nothing_else(LATER).violations == ()


def test_mail_to_a_friend_who_joined_is_none(sent: Message) -> None:
    member(email=FRIEND, now=LATER)
    assert Message.objects.filter(address_hash=keyed_hash(FRIEND)).count() >= 1
    assert checks.nothing_else(LATER + timedelta(hours=1)).violations == ()


def test_invitation_past_its_period_is_a_violation(sent: Message) -> None:
    at = NOW + timedelta(days=61)
    assert checks.nothing_else(at).violations == ()  # the daily sweep may still come
    row = Invitation.objects.get()
    assert checks.nothing_else(NOW + timedelta(days=64)).violations == (str(row.pk),)


@pytest.mark.parametrize("change", [{"made": 2}, {"made": 2, "accepted": 1}])
def test_counts_that_are_not_what_happened_are_a_violation(
    sent: Message, change: dict[str, int]
) -> None:
    Referral.objects.update(**change)
    row = Referral.objects.get()
    assert checks.nothing_else(LATER).violations == (str(row.pk),)


def test_counts_that_went_with_the_address_are_a_violation(robin: User, sent: Message) -> None:
    Invitation.objects.all().delete()
    assert checks.nothing_else(LATER).violations == ()
    Referral.objects.all().delete()
    assert checks.nothing_else(LATER).violations == (str(robin.subject_id),)


def test_erased_inviter_s_counts_are_none(robin: User, sent: Message) -> None:
    erase.start(subject_id=robin.subject_id, reason="test", actor=VISITOR, now=LATER)
    erase_worker.work(now=LATER)
    assert Referral.objects.count() == 0
    assert checks.nothing_else(LATER).violations == ()


def suppressed(at: datetime) -> Suppression:
    suppressions.remove_address(address=FRIEND, basis=Suppression.Basis.LINK, actor=VISITOR, now=at)
    return Suppression.objects.get()


def test_message_after_the_removal_is_a_violation(sent: Message) -> None:
    suppressed(LATER)
    assert checks.removal(LATER).violations == ()
    Message.objects.update(sent_at=LATER + timedelta(minutes=1))
    assert checks.removal(LATER).violations == (str(sent.pk),)


def test_invitation_of_a_removed_address_is_a_violation(robin: User, sent: Message) -> None:
    suppressed(LATER)
    row = Invitation.objects.create(
        inviter=robin.subject, address_hash=keyed_hash(FRIEND), invited_at=LATER
    )
    assert checks.removal(LATER).violations == (str(row.pk),)


def test_removal_whose_key_is_lost_is_a_violation(robin: User) -> None:
    row = suppressed(LATER)
    Suppression.objects.update(key_version="0" * 12)
    assert checks.removal(LATER).violations == (str(row.pk),)


def probe() -> list[str]:
    found = invitation_probe.removing(now=LATER)
    assert found
    return found


def test_removal_that_keeps_the_invitation_is_a_violation(
    robin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert invitation_probe.removing(now=LATER) == []
    monkeypatch.setattr(suppressions, "remove", lambda **kwargs: 0)
    assert "the invitation is still there" in probe()
    assert "nothing keeps it removed" in probe()


def test_removal_that_nobody_remembers_is_a_violation(
    robin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppressions, "is_suppressed", lambda **kwargs: False)
    assert probe() == ["it can be invited again"]


def test_address_in_a_table_is_a_violation(robin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    real = mail.post

    def leaky(**kwargs: Any) -> Message:
        message = real(**kwargs)
        Message.objects.filter(pk=message.pk).update(template=kwargs["address"])
        return message

    monkeypatch.setattr(mail, "post", leaky)
    assert "the address is in consent_message" in probe()


def test_link_that_acts_on_looking_is_a_violation(
    robin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = invitations.find

    def eager(token: str) -> Invitation | None:
        found = real(token)
        Invitation.objects.all().delete()
        return found

    monkeypatch.setattr(invitations, "find", eager)
    assert "looking does not leave everything as it is" in probe()


def test_site_without_invitations_is_not_tried_out(
    policy_of: Callable[[str], PolicyVersion],
) -> None:
    policy_of("weapp")
    assert invitation_probe.removing(now=LATER) == []
    for key in KEYS:
        assert evaluate(control=controls()[key], now=LATER).outcome == Evidence.Outcome.KEPT
