"""Connections: asked, agreed to, ended; blocks; and who learns what of it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from accounts import connections
from accounts.connections import (
    Asked,
    BlockedByYou,
    NotPossible,
    TooMany,
    accept,
    ask,
    block,
    blocked_between,
    connect,
    connected_with,
    decline,
    drop_empty_blocks,
    end,
    unblock,
    withdraw,
)
from accounts.models import Block, Connection, ConnectionRequest, User
from audit.log import SYSTEM, person
from audit.models import AuditEntry
from consent.models import Event
from datamap.models import Subject
from datamap.registry import holding
from policy.models import PolicyVersion
from retention.lasting_controls import rows_that_last
from tests.factories.accounts import member

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def three(wecustomers: PolicyVersion) -> tuple[UUID, UUID, UUID]:
    """The subjects of three members."""
    a, b, c = (member().subject_id for _ in range(3))
    return a, b, c


def asks(asker: UUID, asked: UUID, now: datetime = NOW) -> Asked:
    return ask(asker_id=asker, asked_id=asked, actor=person(asker), now=now)


def handle_of(rows: Any) -> str:
    (row,) = rows
    return str(row.handle)


def connected(a: UUID, b: UUID) -> Connection:
    asks(a, b)
    handle = handle_of(connections.waiting_for(b))
    return accept(asked_id=b, handle=handle, actor=person(b), now=NOW)


def test_asking_waits_until_the_other_agrees(three: tuple[UUID, UUID, UUID]) -> None:
    a, b, c = three
    assert asks(a, b) is Asked.WAITING
    assert connected_with(subject_ids=[b, c], viewer_id=a) == set()
    handle = handle_of(connections.waiting_for(b))
    made = accept(asked_id=b, handle=handle, actor=person(b), now=NOW + HOUR)
    assert (made.asker_id, made.asked_id, made.since) == (a, b, NOW + HOUR)
    assert connected_with(subject_ids=[b, c], viewer_id=a) == {b}
    assert connected_with(subject_ids=[a, c], viewer_id=b) == {a}
    assert connected_with(subject_ids=[a, b], viewer_id=c) == set()
    assert not ConnectionRequest.objects.exists()


def test_questions_about_many_people_are_one_query(
    three: tuple[UUID, UUID, UUID], django_assert_num_queries: Any
) -> None:
    a, b, c = three
    connected(a, b)
    block(blocker_id=c, blocked_id=a, actor=person(c), now=NOW)
    for wanted in ([b], [b, c], [a, b, c, a]):
        with django_assert_num_queries(2):
            assert connected_with(subject_ids=wanted, viewer_id=a) == {b}
            assert blocked_between(subject_ids=wanted, viewer_id=a) == set(wanted) & {c}
    with django_assert_num_queries(0):
        assert connected_with(subject_ids=[], viewer_id=a) == set()


def test_two_who_ask_each_other_are_connected(three: tuple[UUID, UUID, UUID]) -> None:
    a, b, _c = three
    assert (asks(a, b), asks(b, a), asks(a, b)) == (
        Asked.WAITING,
        Asked.CONNECTED,
        Asked.CONNECTED,
    )
    assert Connection.objects.count() == 1


def test_asking_twice_is_asking_once(three: tuple[UUID, UUID, UUID]) -> None:
    a, b, _c = three
    asks(a, b)
    asks(a, b, NOW + HOUR)
    assert ConnectionRequest.objects.get().asked_at == NOW
    assert AuditEntry.objects.filter(verb="accounts.connection-asked").count() == 1


def test_asking_leaves_an_event_with_the_words_beside_it(three: tuple[UUID, UUID, UUID]) -> None:
    a, b, _c = three
    connected(a, b)
    events = Event.objects.filter(key="connections").order_by("subject_id")
    found = {e.subject_id: (e.kind, e.fields) for e in events}
    assert found == {
        a: ("collection", ["accounts.connection_request.asked"]),
        b: ("collection", ["accounts.connection_agreed.asker"]),
    }


def test_a_no_is_not_told(three: tuple[UUID, UUID, UUID]) -> None:
    a, b, _c = three
    asks(a, b)
    before = list(connections.asked_by(a).values("handle", "asked_at"))
    decline(asked_id=b, handle=before[0]["handle"], actor=person(b), now=NOW + HOUR)
    assert list(connections.asked_by(a).values("handle", "asked_at")) == before
    assert not connections.waiting_for(b).exists()
    assert asks(a, b) is Asked.WAITING
    assert not connections.waiting_for(b).exists()


def test_a_no_outlasts_taking_the_question_back(three: tuple[UUID, UUID, UUID]) -> None:
    a, b, _c = three
    asks(a, b)
    handle = handle_of(connections.asked_by(a))
    decline(asked_id=b, handle=handle, actor=person(b), now=NOW)
    withdraw(asker_id=a, handle=handle, actor=person(a), now=NOW)
    assert not connections.asked_by(a).exists()
    block(blocker_id=a, blocked_id=b, actor=person(a), now=NOW)
    unblock(blocker_id=a, handle=handle_of(connections.blocks_of(a)), actor=person(a), now=NOW)
    assert asks(a, b, NOW + HOUR) is Asked.WAITING
    assert [r.asked_at for r in connections.asked_by(a)] == [NOW + HOUR]
    assert not connections.waiting_for(b).exists()


def test_whoever_said_no_may_still_ask(three: tuple[UUID, UUID, UUID]) -> None:
    a, b, c = three
    for asker in (a, c):
        asks(asker, b)
        handle = handle_of(connections.waiting_for(b))
        decline(asked_id=b, handle=handle, actor=person(b), now=NOW)
    assert asks(b, a) is Asked.CONNECTED
    withdraw(asker_id=c, handle=handle_of(connections.asked_by(c)), actor=person(c), now=NOW)
    assert asks(b, c) is Asked.WAITING
    assert handle_of(connections.waiting_for(c)) == handle_of(connections.asked_by(b))


def test_a_question_taken_back_is_gone(three: tuple[UUID, UUID, UUID]) -> None:
    a, b, _c = three
    asks(a, b)
    handle = handle_of(connections.asked_by(a))
    withdraw(asker_id=a, handle=handle, actor=person(a), now=NOW)
    assert not ConnectionRequest.objects.exists()
    with pytest.raises(NotPossible):
        accept(asked_id=b, handle=handle, actor=person(b), now=NOW)


def test_nobody_answers_for_somebody_else(three: tuple[UUID, UUID, UUID]) -> None:
    a, b, c = three
    asks(a, b)
    handle = handle_of(connections.asked_by(a))
    for stranger in (a, c):
        for act in (accept, decline):
            with pytest.raises(NotPossible):
                act(asked_id=stranger, handle=handle, actor=person(stranger), now=NOW)
    for stranger in (b, c):
        with pytest.raises(NotPossible):
            withdraw(asker_id=stranger, handle=handle, actor=person(stranger), now=NOW)
    kept = connected(b, c)
    with pytest.raises(NotPossible):
        end(subject_id=a, handle=kept.handle, actor=person(a), now=NOW)


@pytest.mark.parametrize("enders", ["asker", "asked"])
def test_either_ends_a_connection_by_an_act_of_their_own(
    three: tuple[UUID, UUID, UUID], enders: str
) -> None:
    a, b, c = three
    kept, ended = connected(a, c), connected(a, b)
    who = a if enders == "asker" else b
    end(subject_id=who, handle=ended.handle, actor=person(who), now=NOW)
    assert list(Connection.objects.all()) == [kept]
    finding = rows_that_last(NOW)
    assert finding.violations == ()


def test_a_connection_that_went_by_nobodys_act_is_a_violation(
    three: tuple[UUID, UUID, UUID],
) -> None:
    a, b, _c = three
    connected(a, b)
    Connection.objects.all().delete()
    (violation,) = rows_that_last(NOW).violations
    assert violation.startswith("no reason:")


def test_a_block_ends_everything_between_two_and_is_not_told(
    three: tuple[UUID, UUID, UUID],
) -> None:
    a, b, c = three
    connected(a, b)
    asks(c, b)
    for other in (a, c):
        block(blocker_id=b, blocked_id=other, actor=person(b), now=NOW)
    assert not Connection.objects.exists()
    assert not ConnectionRequest.objects.exists()
    assert blocked_between(subject_ids=[a, c], viewer_id=b) == {a, c}
    assert blocked_between(subject_ids=[b], viewer_id=a) == {b}
    unknown = Subject.objects.create(created_at=NOW).pk
    told = []
    for asked in (b, unknown):
        with pytest.raises(NotPossible) as caught:
            asks(a, asked)
        told.append(repr(caught.value))
    assert told[0] == told[1]
    with pytest.raises(BlockedByYou):
        asks(b, a)
    assert rows_that_last(NOW).violations == ()


def test_blocking_twice_is_blocking_once(three: tuple[UUID, UUID, UUID]) -> None:
    a, b, _c = three
    first = block(blocker_id=a, blocked_id=b, actor=person(a), now=NOW)
    second = block(blocker_id=a, blocked_id=b, actor=person(a), now=NOW + HOUR)
    assert (second.pk, second.since) == (first.pk, NOW)
    unblock(blocker_id=a, handle=first.handle, actor=person(a), now=NOW)
    assert asks(a, b) is Asked.WAITING


def test_a_block_is_lifted_only_by_whoever_set_it(three: tuple[UUID, UUID, UUID]) -> None:
    a, b, _c = three
    set_by_a = block(blocker_id=a, blocked_id=b, actor=person(a), now=NOW)
    with pytest.raises(NotPossible):
        unblock(blocker_id=b, handle=set_by_a.handle, actor=person(b), now=NOW)
    with pytest.raises(NotPossible):
        block(blocker_id=a, blocked_id=a, actor=person(a), now=NOW)


@pytest.mark.parametrize(
    "closing",
    [
        {"locked": True},
        {"restricted": True},
        {"erased_at": NOW, "email": None},
    ],
)
def test_nobody_connects_with_somebody_who_is_closed(
    three: tuple[UUID, UUID, UUID], closing: dict[str, Any]
) -> None:
    a, b, c = three
    asks(a, b)
    handle = handle_of(connections.waiting_for(b))
    Subject.objects.filter(pk=a).update(**closing)
    for act in (
        lambda: asks(a, c),
        lambda: asks(c, a),
        lambda: accept(asked_id=b, handle=handle, actor=person(b), now=NOW),
        lambda: connect(one_id=a, other_id=c, because_of="test", actor=SYSTEM, now=NOW),
    ):
        with pytest.raises(NotPossible):
            act()


def test_nobody_connects_with_themselves_or_an_unconfirmed_account(
    three: tuple[UUID, UUID, UUID],
) -> None:
    a, b, _c = three
    User.objects.filter(subject_id=b).update(unconfirmed_since=NOW)
    for asked in (a, b):
        with pytest.raises(NotPossible):
            asks(a, asked)


def test_connecting_by_an_invitation_answers_what_was_asked(
    three: tuple[UUID, UUID, UUID],
) -> None:
    a, b, c = three
    asks(b, a)
    made = connect(one_id=a, other_id=b, because_of="invitation", actor=person(b), now=NOW)
    again = connect(one_id=b, other_id=a, because_of="invitation", actor=person(a), now=NOW)
    assert (made.asker_id, again.pk) == (a, made.pk)
    assert not ConnectionRequest.objects.exists()
    entry = AuditEntry.objects.get(verb="accounts.connected")
    assert (entry.subject_id, entry.facts) == (b, {"because": "invitation"})
    for blocker, blocked in ((a, c), (c, b)):
        block(blocker_id=blocker, blocked_id=blocked, actor=person(blocker), now=NOW)
    for one, other in ((a, c), (b, c)):
        with pytest.raises(NotPossible):
            connect(one_id=one, other_id=other, because_of="invitation", actor=SYSTEM, now=NOW)


def test_somebody_who_asks_everybody_is_stopped(
    three: tuple[UUID, UUID, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = three
    monkeypatch.setattr(connections, "MOST_OPEN", 1)
    asks(a, b)
    with pytest.raises(TooMany) as caught:
        asks(a, c)
    assert caught.value.most == 1
    assert asks(c, a) is Asked.WAITING


def test_taking_back_does_not_make_room_on_the_same_day(
    three: tuple[UUID, UUID, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = three
    monkeypatch.setattr(connections, "MOST_A_DAY", 1)
    asks(a, b)
    withdraw(asker_id=a, handle=handle_of(connections.asked_by(a)), actor=person(a), now=NOW)
    with pytest.raises(TooMany):
        asks(a, c)
    assert asks(a, c, NOW + timedelta(days=1)) is Asked.WAITING


def test_a_policy_without_connections_has_none(clickandchat: PolicyVersion) -> None:
    a, b = member().subject_id, member().subject_id
    with pytest.raises(NotPossible):
        asks(a, b)
    assert not Event.objects.filter(key="connections").exists()


def test_the_database_keeps_one_row_for_each_pair(three: tuple[UUID, UUID, UUID]) -> None:
    a, b, _c = three
    connected(a, b)
    with pytest.raises(IntegrityError), transaction.atomic():
        Connection.objects.create(asker_id=b, asked_id=a, since=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        Connection.objects.create(asker_id=a, asked_id=a, since=NOW)


def test_a_connection_is_in_both_copies_and_a_no_only_in_one(
    three: tuple[UUID, UUID, UUID],
) -> None:
    a, b, _c = three
    row = connected(a, b)
    assert [r.pk for r in holding("accounts.connection").rows_of([a])] == [row.pk]
    assert [r.pk for r in holding("accounts.connection_agreed").rows_of([b])] == [row.pk]
    asker = {p.name for p in holding("accounts.connection_request").personal if p.secret}
    asked = {p.name for p in holding("accounts.connection_request_received").personal if p.secret}
    assert (asker, asked) == ({"declined_at"}, {"withdrawn_at"})


def test_blocks_of_people_who_are_gone_go(three: tuple[UUID, UUID, UUID]) -> None:
    a, b, c = three
    block(blocker_id=a, blocked_id=b, actor=person(a), now=NOW)
    kept = block(blocker_id=a, blocked_id=c, actor=person(a), now=NOW)
    Block.objects.filter(blocked_id=b).update(blocked=None)
    assert [row.pk for row in connections.blocks_of(a)] == [kept.pk]
    assert (drop_empty_blocks(), drop_empty_blocks()) == (1, 0)
    assert list(Block.objects.all()) == [kept]


@pytest.mark.django_db(transaction=True)
def test_two_who_ask_in_the_same_instant_are_connected_once(
    transactional_db: None, wecustomers: PolicyVersion
) -> None:
    pairs = [(member().subject_id, member().subject_id) for _ in range(4)]
    failed: list[BaseException] = []

    def asking(asker: UUID, asked: UUID, start: threading.Barrier) -> None:
        try:
            start.wait()
            asks(asker, asked)
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    for a, b in pairs:
        start = threading.Barrier(4)
        people = ((a, b), (b, a), (a, b), (b, a))
        threads = [threading.Thread(target=asking, args=(*both, start)) for both in people]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert failed == []
    assert Connection.objects.count() == len(pairs)
    assert not ConnectionRequest.objects.exists()
