"""Inviting: one message, the same answer for every address, and joining who accepts."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import connections, invitations, suppressions
from accounts.models import Invitation, Referral, Suppression, User
from accounts.registration import confirm_address, open_account, register
from audit.log import VISITOR, person
from audit.models import AuditEntry
from consent import delivery, mail
from consent.checks import approved_digests
from consent.models import Event, Message
from datamap.encryption import keyed_hash
from datamap.models import Subject
from policy.models import PolicyVersion
from retention import erase, erase_worker, sweep
from tests.accounts.dump import dump
from tests.factories.accounts import application, member, minor
from tests.factories.invitations import FRIEND, NOW, invite, invited, letter_to
from tests.factories.policy import edited, publish_bytes
from tests.plugins.smtp import Server


@pytest.fixture(autouse=True)
def no_counts() -> None:
    cache.clear()


@pytest.fixture
def robin(wecustomers: PolicyVersion) -> User:
    return member(first_name="Robin", last_name="Doe")


def messages() -> list[Message]:
    return list(Message.objects.filter(category="invitation").order_by("posted_at"))


def remove(address: str = FRIEND) -> None:
    suppressions.remove_address(
        address=address, basis=Suppression.Basis.FORM, actor=VISITOR, now=NOW
    )


def test_friend_gets_one_message_that_names_the_inviter(robin: User) -> None:
    invite(robin)
    (message,) = messages()
    text = mail.text_of(message)
    assert text.startswith("Robin Doe invites you to WeCustomers\n")
    assert "gave us your address" in text
    assert "no second message comes" in text
    assert "ends after 60 days" in text
    assert len(re.findall(r"/invitations/[\w-]+/\s", text)) == 1
    assert len(re.findall(r"/invitations/[\w-]+/remove/\s", text)) == 1
    assert message.template_digest in approved_digests()
    assert (message.subject_id, message.state) == (None, "queued")


def test_address_stands_nowhere_but_in_the_sealed_message(robin: User) -> None:
    invite(robin, "Wren.Odd@Example.com")
    everything = str(dump()).lower()
    assert "wren.odd" not in everything
    row = Invitation.objects.get()
    assert row.address_hash == keyed_hash("wren.odd@example.com")
    assert (row.inviter, row.invitee, row.message) == (robin.subject, None, messages()[0].pk)


def test_inviting_leaves_its_event_and_entry(robin: User) -> None:
    invite(robin)
    event = Event.objects.get(kind="collection", key="invitation")
    assert (event.subject_id, event.fields) == (
        robin.subject_id,
        ["accounts.invitation.address_hash"],
    )
    entry = AuditEntry.objects.get(verb="accounts.invited")
    assert (entry.subject_id, entry.facts) == (robin.subject_id, {"day": "2026-03-03"})


def test_nobody_gets_a_second_message_whoever_invites(robin: User) -> None:
    other = member()
    invite(robin)
    invite(other)
    invite(robin, now=NOW + timedelta(days=40))
    assert len(messages()) == 1
    rows = Invitation.objects.order_by("invited_at")
    assert [(r.inviter_id, r.token_hash is not None) for r in rows] == [
        (robin.subject_id, True),
        (other.subject_id, False),
    ]
    made = Referral.objects.order_by("day", "inviter").values_list("inviter", "made")
    assert sorted(made) == sorted(
        [(robin.subject_id, 1), (other.subject_id, 1), (robin.subject_id, 1)]
    )


def test_address_is_one_however_it_is_spelled(robin: User) -> None:
    invite(robin, "Friend@Example.COM ")
    invite(member())
    assert len(messages()) == 1


def test_every_address_costs_the_same(robin: User) -> None:
    """Unknown, a member's, invited before, removed, blocked, connected, locked: same statements."""
    taken, known, blocking, connected, locked = (
        "taken@example.com", member(), member(), member(), member()
    )  # fmt: skip
    invite(member(), taken)
    remove("removed@example.com")
    connections.block(
        blocker_id=blocking.subject_id,
        blocked_id=robin.subject_id,
        actor=person(blocking.subject_id),
        now=NOW,
    )
    connections.connect(
        one_id=robin.subject_id,
        other_id=connected.subject_id,
        because_of="test",
        actor=person(robin.subject_id),
        now=NOW,
    )
    Subject.objects.filter(pk=locked.subject_id).update(locked=True)
    invite(robin, "first@example.com")  # the day's row is there from now on
    posted = len(messages())
    statements = {}
    for address in (
        "unknown@example.com",
        known.email,
        taken,
        "removed@example.com",
        blocking.email,
        connected.email,
        locked.email,
    ):
        with CaptureQueriesContext(connection) as queries:
            invite(robin, address)
        statements[address] = len(queries)
    assert len(set(statements.values())) == 1, statements
    assert len(messages()) == posted + 2  # unknown and the plain member
    assert Referral.objects.get(inviter=robin.subject_id).made == 8


def test_what_may_not_be_sent_leaves_no_row(robin: User) -> None:
    remove()
    invite(robin)
    assert messages() == []
    assert Invitation.objects.count() == 0
    assert Referral.objects.get().made == 1


def test_inviting_a_member_is_theirs_to_see(robin: User) -> None:
    friend = member()
    invite(robin, friend.email)
    assert [row.inviter_id for row in invitations.received(friend.subject_id)] == [robin.subject_id]
    assert list(invitations.received(robin.subject_id)) == []


@pytest.mark.parametrize("spelled", ["{}", " {} ", "upper"])
def test_own_address_is_refused(robin: User, spelled: str) -> None:
    address = robin.email.upper() if spelled == "upper" else spelled.format(robin.email)
    with pytest.raises(invitations.OwnAddress):
        invite(robin, address)
    assert (Invitation.objects.count(), Referral.objects.count()) == (0, 0)


def test_waiting_address_of_ones_own_is_refused_too(robin: User) -> None:
    EmailAddress.objects.create(user=robin, email="new@example.com", verified=False)
    with pytest.raises(invitations.OwnAddress):
        invite(robin, "new@example.com")


@pytest.mark.parametrize("flag", ["locked", "restricted"])
def test_closed_people_invite_nobody(robin: User, flag: str) -> None:
    Subject.objects.filter(pk=robin.subject_id).update(**{flag: True})
    with pytest.raises(invitations.MayNotInvite):
        invite(robin)


def test_unconfirmed_people_invite_nobody(wecustomers: PolicyVersion) -> None:
    with pytest.raises(invitations.MayNotInvite):
        invite(member(confirmed=False))


@pytest.mark.parametrize(
    "name",
    ["", "www.evil.test", "http://x", "buy at evil.com", "me@evil.test", "a/b"],
)
def test_names_that_carry_a_message_are_refused(wecustomers: PolicyVersion, name: str) -> None:
    user = member()
    User.objects.filter(pk=user.pk).update(first_name=name, last_name="")
    user.refresh_from_db()
    with pytest.raises(invitations.NoName):
        invite(user)


@pytest.mark.parametrize("name", ["J. R. R. Tolkien", "Zoë", "O'Neill-Smith", "Dr. No"])
def test_ordinary_names_are_fine(wecustomers: PolicyVersion, name: str) -> None:
    user = member(first_name=name, last_name="")
    invite(user)
    assert mail.text_of(letter_to()).startswith(f"{name} invites you")


@pytest.mark.parametrize("address", ["", "no address", "a@b@c", "a b@example.com", "x@\nBcc: y@z"])
def test_what_is_no_address_is_refused(robin: User, address: str) -> None:
    with pytest.raises(ValidationError):
        invite(robin, address)
    assert Referral.objects.count() == 0


def test_day_has_a_limit_in_the_operators_calendar(wecustomers: PolicyVersion) -> None:
    publish_bytes(
        edited(
            "policies/wecustomers.toml",
            ("invitations_per_day = 10", "invitations_per_day = 2"),
            ('version = "2015-12-21"', 'version = "2"'),
        ),
        now=NOW - timedelta(days=200),
    )
    robin = member()
    for number in range(2):
        invite(robin, f"f{number}@example.com")
    with pytest.raises(invitations.TooMany) as error:
        invite(robin, "f3@example.com")
    assert error.value.most == 2
    assert (len(messages()), Referral.objects.get().made) == (2, 2)
    # New York's midnight is five hours after ours.
    with pytest.raises(invitations.TooMany):
        invite(robin, "f3@example.com", now=NOW.replace(hour=23))
    invite(robin, "f3@example.com", now=NOW + timedelta(hours=17))
    invite(member(), "f4@example.com")


def test_policy_without_invitations_has_none(policy_of: Callable[[str], PolicyVersion]) -> None:
    policy_of("weapp")
    with pytest.raises(invitations.NotOffered):
        invite(member())
    assert not invitations.has_invitations()


def test_invitation_leaves_once_and_names_its_way_out(robin: User, smtp: Server) -> None:
    token = invited(robin)
    assert dict(delivery.deliver_due(clock=lambda: NOW, budget=timedelta(seconds=5))) == {"sent": 1}
    (sent,) = smtp.mailbox.messages
    assert sent["To"] == FRIEND
    assert sent["List-Unsubscribe"].endswith(f"/invitations/{token}/remove/>")
    assert sent["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    invite(member())
    assert dict(delivery.deliver_due(clock=lambda: NOW, budget=timedelta(seconds=5))) == {}
    (message,) = messages()
    assert (message.state, message.sealed) == ("sent", None)


def test_accepting_joins_counts_and_forgets(robin: User) -> None:
    friend, token = member(), invited(robin)
    found = invitations.find(token)
    assert found is not None
    assert invitations.accept(invitation_id=found.pk, user=friend, now=NOW + timedelta(days=3))
    assert connections.connected_with(
        subject_ids=[friend.subject_id], viewer_id=robin.subject_id
    ) == {friend.subject_id}
    assert Invitation.objects.count() == 0
    counts = Referral.objects.get(inviter=robin.subject_id)
    assert (counts.day.isoformat(), counts.made, counts.accepted) == ("2026-03-03", 1, 1)
    with pytest.raises(invitations.Gone):
        invitations.accept(invitation_id=found.pk, user=friend, now=NOW)
    assert invitations.find(token) is None


def test_nobody_accepts_their_own_invitation(robin: User) -> None:
    found = invitations.find(invited(robin))
    assert found is not None
    with pytest.raises(invitations.OwnAddress):
        invitations.accept(invitation_id=found.pk, user=robin, now=NOW)
    assert Invitation.objects.count() == 1


def test_accepting_somebody_blocked_joins_nobody(robin: User) -> None:
    friend, found = member(), invitations.find(invited(robin))
    assert found is not None
    connections.block(
        blocker_id=friend.subject_id,
        blocked_id=robin.subject_id,
        actor=person(friend.subject_id),
        now=NOW,
    )
    assert not invitations.accept(invitation_id=found.pk, user=friend, now=NOW)
    assert (Invitation.objects.count(), Referral.objects.get().accepted) == (0, 0)


def test_only_the_invited_member_drops_an_invitation(robin: User) -> None:
    friend = member()
    invite(robin, friend.email)
    row = Invitation.objects.get()
    with pytest.raises(invitations.Gone):
        invitations.decline(invitation_id=row.pk, user=member(), now=NOW)
    invitations.decline(invitation_id=row.pk, user=friend, now=NOW)
    assert Invitation.objects.count() == 0
    assert Referral.objects.get().accepted == 0


def test_signing_up_joins_when_the_address_is_confirmed(robin: User) -> None:
    found = invitations.find(invited(robin))
    assert found is not None
    later = NOW + timedelta(hours=1)
    asked = application(now=later, email="another@example.com", invitation=found.pk)
    user = open_account(application=asked, now=later)
    found.refresh_from_db()
    assert (found.invitee_id, found.accepted_at) == (user.subject_id, later)
    assert (
        connections.connected_with(subject_ids=[user.subject_id], viewer_id=robin.subject_id)
        == set()
    )
    assert confirm_address(email_address=EmailAddress.objects.get(user=user), now=later)
    assert connections.connected_with(
        subject_ids=[user.subject_id], viewer_id=robin.subject_id
    ) == {user.subject_id}
    assert (Invitation.objects.count(), Referral.objects.get().accepted) == (0, 1)


def test_link_confirms_no_address(robin: User) -> None:
    """Whoever got the message forwarded can't open an account in the friend's name."""
    found = invitations.find(invited(robin))
    assert found is not None
    user = open_account(application=application(email=FRIEND, invitation=found.pk), now=NOW)
    user.refresh_from_db()
    assert user.unconfirmed_since is not None
    assert user.subject.email is None


def test_signing_up_with_a_known_address_uses_no_invitation_up(robin: User) -> None:
    known, found = member(), invitations.find(invited(robin))
    assert found is not None
    register(application=application(email=known.email, invitation=found.pk), now=NOW)
    found.refresh_from_db()
    assert (found.invitee_id, found.accepted_at) == (None, None)


def test_who_signs_up_without_the_link_finds_the_invitation(robin: User) -> None:
    invite(robin)
    invite(member())
    friend = member(email=FRIEND, now=NOW)
    assert invitations.received(friend.subject_id).count() == 2
    assert Referral.objects.filter(accepted__gt=0).count() == 0


def test_unanswered_addresses_end_and_counts_stay(robin: User) -> None:
    invite(robin)
    Message.objects.filter(category="invitation").update(
        state="sent", sealed=None, sent_at=NOW, ended_at=NOW
    )
    sweep.sweep(now=NOW + timedelta(days=59))
    assert Invitation.objects.count() == 1
    sweep.sweep(now=NOW + timedelta(days=61))
    assert Invitation.objects.count() == 0
    assert Referral.objects.get().made == 1


def erase_person(user: User) -> None:
    erase.start(subject_id=user.subject_id, reason="test", actor=VISITOR, now=NOW)
    erase_worker.work(now=NOW)
    assert Subject.objects.get(pk=user.subject_id).erased_at is not None


def test_erased_inviter_s_message_does_not_leave(robin: User, smtp: Server) -> None:
    token = invited(robin)
    erase_person(robin)
    row = Invitation.objects.get()
    assert row.inviter is None
    assert Referral.objects.count() == 0
    delivery.deliver_due(clock=lambda: NOW, budget=timedelta(seconds=5))
    assert smtp.mailbox.taken == []
    assert messages()[0].state == "refused"
    assert invitations.find(token) == row


def test_erased_friend_s_invitations_go(robin: User) -> None:
    friend = member()
    invite(robin, friend.email)
    erase_person(friend)
    assert Invitation.objects.count() == 0


def test_inviter_s_copy_and_erasure_know_no_single_invitation(robin: User) -> None:
    """Rows missing from it would tell whose address was removed."""
    from datamap.registry import holding

    invite(robin)
    assert not holding("accounts.invitation").rows_of([robin.subject_id]).exists()
    assert holding("accounts.referral").rows_of([robin.subject_id]).count() == 1


def test_locked_inviter_s_message_waits_for_nobody(robin: User, smtp: Server) -> None:
    invite(robin)
    Subject.objects.filter(pk=robin.subject_id).update(locked=True)
    delivery.deliver_due(clock=lambda: NOW, budget=timedelta(seconds=5))
    assert (messages()[0].state, smtp.mailbox.taken) == ("refused", [])


def test_minors_may_invite(wecustomers: PolicyVersion) -> None:
    invite(minor())
    assert len(messages()) == 1


def test_unknown_message_never_leaves_as_an_invitation(robin: User, smtp: Server) -> None:
    """Whatever code posts one: without an invitation behind it, it stays."""
    mail.post(
        category="invitation",
        template="invitation",
        context={"inviter": "x", "link": "y", "ends": ""},
        address=FRIEND,
        subject_id=None,
        now=NOW,
    )
    tally: Any = delivery.deliver_due(clock=lambda: NOW, budget=timedelta(seconds=5))
    assert (dict(tally), smtp.mailbox.taken) == ({"refused": 1}, [])
