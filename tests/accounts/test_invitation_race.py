"""Many inviters, senders and removals at once, on real connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.utils import timezone

from accounts import connections as friends
from accounts import invitations, suppressions
from accounts.models import Invitation, Referral, Suppression, User
from audit.log import VISITOR
from consent import delivery
from consent.models import Message
from datamap.encryption import keyed_hash
from policy.models import PolicyVersion
from tests.factories.accounts import member
from tests.factories.invitations import FRIEND, invite, invited
from tests.plugins.smtp import Server

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE = 30
MANY, AT_ONCE = 50, 25  # connections of the test server


def in_thread(pool: ThreadPoolExecutor, work: Callable[[], object]) -> Future[object]:
    """The work on a connection of its own, closed at the end."""

    def run() -> object:
        try:
            return work()
        finally:
            connections.close_all()

    return pool.submit(run)


def send_all() -> dict[str, int]:
    return dict(delivery.deliver_due(clock=timezone.now, budget=timedelta(seconds=30)))


def remove() -> object:
    return suppressions.remove_address(
        address=FRIEND, basis=Suppression.Basis.LINK, actor=VISITOR, now=timezone.now()
    )


@pytest.fixture
def robin(wecustomers: PolicyVersion) -> User:
    return member(now=timezone.now() - timedelta(days=1))


@pytest.mark.slow
def test_fifty_inviters_at_once_make_one_message(robin: User, smtp: Server) -> None:
    people = [robin, *(member() for _ in range(MANY - 1))]
    ready = threading.Barrier(AT_ONCE)

    def inviting(who: User) -> None:
        ready.wait(PATIENCE)
        invite(who, now=timezone.now())

    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [in_thread(pool, lambda who=who: inviting(who)) for who in people]  # type: ignore[misc]
        for future in waiting:
            future.result(PATIENCE * 4)
    with ThreadPoolExecutor(4) as pool:
        tallies = [in_thread(pool, send_all) for _ in range(4)]
        counted = [tally.result(PATIENCE) for tally in tallies]
    assert [c for c in counted if c] == [{"sent": 1}]
    assert len(smtp.mailbox.taken) == 1
    assert Message.objects.filter(category="invitation").count() == 1
    assert Invitation.objects.count() == MANY
    assert sum(Referral.objects.values_list("made", flat=True)) == MANY


def test_constraint_alone_lets_one_through(robin: User) -> None:
    """Without lock and look before: what the database itself says about a second one."""
    invite(robin, now=timezone.now())
    copy = Message.objects.get(category="invitation")
    copy.pk, copy.message_id, copy.token_hash = robin.pk, "<another@localhost>", "0" * 64
    with pytest.raises(IntegrityError), transaction.atomic():
        copy.save(force_insert=True)
    copy.state, copy.sealed, copy.ended_at = "refused", None, timezone.now()
    copy.save(force_insert=True)  # this one never left


def test_second_inviter_waits_for_the_first(robin: User) -> None:
    other = member()
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            invite(robin, now=timezone.now())
            waiting = in_thread(pool, lambda: invite(other, now=timezone.now()))
            time.sleep(0.4)
            assert not waiting.done()
        assert waiting.result(PATIENCE) is None
    assert Message.objects.filter(category="invitation").count() == 1


def test_removal_waits_for_a_message_that_is_leaving(robin: User, smtp: Server) -> None:
    invite(robin, now=timezone.now())
    words_arrived, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        words_arrived.set()
        go_on.wait(PATIENCE)

    smtp.mailbox.before_answer = wait
    with ThreadPoolExecutor(2) as pool:
        sending = in_thread(pool, send_all)
        assert words_arrived.wait(PATIENCE)
        removing = in_thread(pool, remove)
        time.sleep(0.4)
        assert not removing.done()
        assert Suppression.objects.count() == 0
        go_on.set()
        assert sending.result(PATIENCE) == {"sent": 1}
        assert removing.result(PATIENCE) == 1
    message, kept = Message.objects.get(category="invitation"), Suppression.objects.get()
    assert message.sent_at is not None
    assert message.sent_at < kept.removed_at or message.state == "sent"
    assert Invitation.objects.count() == 0


def test_message_waits_for_a_removal_and_then_stays(robin: User, smtp: Server) -> None:
    invite(robin, now=timezone.now())
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            remove()
            sending = in_thread(pool, send_all)
            time.sleep(0.4)
        assert sending.result(PATIENCE) in ({}, {"refused": 1})
    assert smtp.mailbox.taken == []
    assert Message.objects.get(category="invitation").state == "refused"


def test_invitation_and_removal_at_once_leave_none(robin: User) -> None:
    for number in range(8):
        address = f"friend{number}@example.com"
        with ThreadPoolExecutor(2) as pool:
            inviting = in_thread(pool, lambda a=address: invite(robin, a, now=timezone.now()))  # type: ignore[misc]
            removing = in_thread(
                pool,
                lambda a=address: suppressions.remove_address(  # type: ignore[misc]
                    address=a, basis=Suppression.Basis.FORM, actor=VISITOR, now=timezone.now()
                ),
            )
            inviting.result(PATIENCE)
            removing.result(PATIENCE)
        held = {"address_hash": keyed_hash(address)}
        assert not Invitation.objects.filter(**held).exists()
        assert not Message.objects.filter(**held).exclude(state="refused").exists()


def test_accepting_and_removing_at_once_has_one_winner(robin: User) -> None:
    token = invited(robin, now=timezone.now())
    found, friend = invitations.find(token), member()
    assert found is not None

    def accepting() -> str:
        try:
            invitations.accept(invitation_id=found.pk, user=friend, now=timezone.now())
        except invitations.Gone:
            return "gone"
        return "accepted"

    with ThreadPoolExecutor(2) as pool:
        first, second = in_thread(pool, accepting), in_thread(pool, remove)
        outcome, gone = first.result(PATIENCE), second.result(PATIENCE)
    joined = friends.connected_with(subject_ids=[friend.subject_id], viewer_id=robin.subject_id)
    assert (outcome, gone, bool(joined)) in {("accepted", 0, True), ("gone", 1, False)}
    assert Invitation.objects.count() == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert cursor.fetchone() == (0,)


def test_two_acceptances_at_once_join_once(robin: User) -> None:
    found = invitations.find(invited(robin, now=timezone.now()))
    friend = member()
    assert found is not None

    def accepting() -> bool:
        try:
            return invitations.accept(invitation_id=found.pk, user=friend, now=timezone.now())
        except invitations.Gone:
            return False

    with ThreadPoolExecutor(4) as pool:
        waiting = [in_thread(pool, accepting) for _ in range(4)]
        results = sorted(bool(future.result(PATIENCE)) for future in waiting)
    assert results == [False, False, False, True]
    assert Referral.objects.get().accepted == 1
