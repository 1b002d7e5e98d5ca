"""Sending over real SMTP: what leaves, what does not, and what is known afterwards."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import AuditEntry
from consent import delivery, mail
from consent.models import Message, State
from datamap import registry
from datamap.encryption import encrypt
from datamap.models import Subject
from policy.models import PolicyVersion
from tests.factories.consent import NOW, decided, make_subject, posted
from tests.plugins.smtp import Server

BUDGET = timedelta(minutes=1)
# Statements of one account message, savepoints of the test among them.
PER_MESSAGE = 14


def deliver(now: datetime = NOW) -> dict[str, int]:
    """Send what is due at `now`; state → how many."""
    return dict(delivery.deliver_due(clock=lambda: now, budget=BUDGET))


def test_a_message_leaves_and_loses_its_words(policy: PolicyVersion, smtp: Server) -> None:
    subject = make_subject()
    event = decided(subject, "given")
    message = posted(subject.pk)
    assert deliver() == {"sent": 1}
    message.refresh_from_db()
    assert (message.state, message.sealed, message.sent_at) == ("sent", None, NOW)
    assert (message.decision, message.attempts, message.lease_until) == (event.pk, 1, None)
    assert message.ended_at == NOW
    assert smtp.mailbox.recipients == ["ada@example.com"]
    assert mail.text_of(message) == ""
    entry = AuditEntry.objects.get(verb="consent.mail-sent")
    assert entry.subject_id == subject.pk
    assert entry.facts["message_id"] == smtp.mailbox.messages[0]["Message-ID"]
    assert deliver() == {}


def test_without_a_choice_the_policys_basis_decides(policy: PolicyVersion, smtp: Server) -> None:
    posted(make_subject().pk)  # sent until refused
    posted(make_subject(minor=True).pk)  # not to minors unless they say yes
    posted(make_subject().pk, category="digest")  # never without a yes
    assert deliver() == {"sent": 1, "refused": 2}
    assert len(smtp.mailbox.taken) == 1


@pytest.mark.parametrize("decision", ["withdrawn", "expired", "refused"])
def test_a_no_given_after_posting_stops_the_message(
    policy: PolicyVersion, smtp: Server, decision: str
) -> None:
    subject = make_subject()
    decided(subject, "given")
    message = posted(subject.pk)
    decided(subject, decision)
    assert deliver() == {"refused": 1}
    message.refresh_from_db()
    assert (message.state, message.sealed, message.sent_at) == ("refused", None, None)
    assert smtp.mailbox.taken == []


@pytest.mark.parametrize("flag", ["locked", "restricted"])
def test_a_closed_subject_gets_account_mail_and_answers_only(
    policy: PolicyVersion, smtp: Server, flag: str
) -> None:
    subject = make_subject()
    decided(subject, "given")
    posted(subject.pk)
    posted(subject.pk, category="account", template="test_account")
    posted(subject.pk, category="answer", template="test_account")
    Subject.objects.filter(pk=subject.pk).update(**{flag: True})
    assert deliver() == {"sent": 2, "refused": 1}


def test_account_mail_goes_after_every_refusal(policy: PolicyVersion, smtp: Server) -> None:
    subject = make_subject()
    for key in ("service-news", "digest"):
        decided(subject, "refused", key=key)
    posted(subject.pk, category="account", template="test_account")
    assert deliver() == {"sent": 1}


def test_a_held_message_waits_for_its_release(policy: PolicyVersion, smtp: Server) -> None:
    subject = make_subject()
    message = posted(subject.pk, category="answer", template="test_account", held=True)
    assert deliver(NOW + timedelta(days=30)) == {}
    assert mail.release(message.pk, NOW + timedelta(days=31)) is True
    assert mail.release(message.pk, NOW + timedelta(days=31)) is False
    assert deliver(NOW + timedelta(days=31)) == {"sent": 1}


def test_an_answer_outlives_erasure_and_goes_with_its_sending(
    policy: PolicyVersion, smtp: Server
) -> None:
    subject = make_subject()
    answer = posted(subject.pk, category="answer", template="test_account", held=True)
    news = posted(subject.pk)
    holding = registry.holding("consent.mail")
    assert [row.pk for row in holding.rows_to_erase([subject.pk])] == [news.pk]
    news.delete()
    Subject.objects.filter(pk=subject.pk).update(locked=True, erased_at=NOW)
    mail.release(answer.pk, NOW)
    assert deliver() == {"sent": 1}
    assert Message.objects.count() == 0
    assert AuditEntry.objects.filter(verb="consent.mail-sent").count() == 1


@pytest.mark.parametrize("answer", ["550 no such user", "553 not allowed"])
def test_a_refused_recipient_is_final(policy: PolicyVersion, smtp: Server, answer: str) -> None:
    smtp.mailbox.rcpt = answer
    message = posted(make_subject().pk)
    assert deliver() == {"failed": 1}
    message.refresh_from_db()
    assert (message.state, message.failure) == ("failed", f"smtp-{answer[:3]}")
    assert (message.sealed, message.sent_at) == (None, None)


def test_refused_words_are_final_and_the_connection_goes_on(
    policy: PolicyVersion, smtp: Server
) -> None:
    smtp.mailbox.data = "554 spam"
    for _ in range(3):
        posted(make_subject().pk)
    assert deliver() == {"failed": 3}
    assert set(Message.objects.values_list("failure", flat=True)) == {"smtp-554"}


@pytest.mark.parametrize(("rcpt", "data"), [("450 later", "250 OK"), ("250 OK", "451 later")])
def test_temporary_trouble_is_tried_again_under_the_same_id(
    policy: PolicyVersion, smtp: Server, rcpt: str, data: str
) -> None:
    smtp.mailbox.rcpt, smtp.mailbox.data = rcpt, data
    message = posted(make_subject().pk)
    now, pauses = NOW, []
    for _ in range(6):
        assert deliver(now) == {"queued": 1}
        assert deliver(now) == {}
        message.refresh_from_db()
        pauses.append(message.due_at - now)
        now = message.due_at
    assert pauses == [timedelta(minutes=m) for m in (1, 5, 15, 60, 180, 360)]
    smtp.mailbox.rcpt = smtp.mailbox.data = "250 OK"
    assert deliver(now) == {"sent": 1}
    assert [m["Message-ID"] for m in smtp.mailbox.messages] == [message.message_id]


def test_trouble_without_end_fails(policy: PolicyVersion, smtp: Server) -> None:
    smtp.mailbox.rcpt = "450 later"
    message = posted(make_subject().pk)
    Message.objects.filter(pk=message.pk).update(attempts=delivery.ATTEMPTS - 1)
    assert deliver() == {"failed": 1}
    message.refresh_from_db()
    assert message.failure == "smtp-450"


def test_a_lost_answer_leaves_voluntary_mail_uncertain_for_ever(
    policy: PolicyVersion, smtp: Server
) -> None:
    smtp.mailbox.hang_up = True
    message = posted(make_subject().pk)
    assert deliver() == {"uncertain": 1}
    smtp.mailbox.hang_up = False
    assert deliver(NOW + timedelta(days=7)) == {}
    message.refresh_from_db()
    assert (message.state, message.sealed, message.sent_at) == ("uncertain", None, NOW)
    assert len(smtp.mailbox.taken) == 1


def test_a_lost_answer_has_account_mail_sent_again_under_the_same_id(
    policy: PolicyVersion, smtp: Server
) -> None:
    smtp.mailbox.hang_up = True
    message = posted(make_subject().pk, category="account", template="test_account")
    assert deliver() == {"queued": 1}
    smtp.mailbox.hang_up = False
    assert deliver(NOW + timedelta(minutes=1)) == {"sent": 1}
    ids = [m["Message-ID"] for m in smtp.mailbox.messages]
    assert ids == [message.message_id, message.message_id]


def test_a_relay_that_is_down_costs_time_and_no_attempt(
    policy: PolicyVersion, smtp: Server
) -> None:
    messages = [posted(make_subject().pk) for _ in range(3)]
    smtp.stop()
    assert deliver() == {}
    for message in messages:
        message.refresh_from_db()
        assert (message.state, message.attempts) == ("queued", 0)
        assert (message.lease_until, message.due_at) == (None, NOW + timedelta(minutes=1))
    smtp.start()
    assert deliver(NOW + timedelta(minutes=1)) == {"sent": 3}


def test_what_another_worker_claimed_is_left_alone_until_its_lease_ends(
    policy: PolicyVersion, smtp: Server
) -> None:
    message = posted(make_subject().pk)
    Message.objects.update(lease_until=NOW + timedelta(minutes=2))
    assert deliver() == {}
    assert dict(delivery.deliver_one(message.pk, clock=lambda: NOW)) == {}
    assert deliver(NOW + timedelta(minutes=2, seconds=1)) == {"sent": 1}


def test_what_a_dead_worker_was_sending_is_decided_by_its_category(
    policy: PolicyVersion, smtp: Server
) -> None:
    news = posted(make_subject().pk)
    notice = posted(make_subject().pk, category="account", template="test_account")
    lease = NOW + timedelta(minutes=1)
    Message.objects.update(state=State.SENDING, lease_until=lease, sent_at=NOW)
    assert deliver(lease) == {}
    assert deliver(lease + timedelta(seconds=1)) == {"sent": 1}
    news.refresh_from_db()
    notice.refresh_from_db()
    assert (news.state, news.failure) == ("uncertain", "crash")
    assert notice.state == "sent"
    assert [m["Message-ID"] for m in smtp.mailbox.messages] == [notice.message_id]


def test_words_no_key_opens_fail_and_stop_nothing_else(policy: PolicyVersion, smtp: Server) -> None:
    broken = posted(make_subject().pk)
    Message.objects.update(sealed=b"gAAAAnonsense")
    posted(make_subject().pk)
    assert deliver() == {"failed": 1, "sent": 1}
    broken.refresh_from_db()
    assert broken.failure == "unreadable"


def test_a_message_that_cannot_be_handled_stops_no_other_and_ends(
    policy: PolicyVersion, smtp: Server
) -> None:
    broken = posted(make_subject().pk, category="account", template="test_account")
    # Sealed by a version of the site that knew other fields.
    Message.objects.update(sealed=encrypt('{"recipient": "ada@example.com"}'))
    posted(make_subject().pk, category="account", template="test_account")
    assert deliver() == {"sent": 1}
    now = NOW
    for _ in range(delivery.ATTEMPTS - 1):
        broken.refresh_from_db()
        assert broken.state == "sending"
        assert broken.lease_until is not None
        now = broken.lease_until + timedelta(seconds=1)
        deliver(now)
        broken.refresh_from_db()
        if broken.state == "queued":
            assert broken.due_at > now
            now = broken.due_at
            deliver(now)
    broken.refresh_from_db()
    assert broken.lease_until is not None
    deliver(broken.lease_until + timedelta(seconds=1))
    broken.refresh_from_db()
    assert (broken.state, broken.failure) == ("failed", "crash")
    assert (broken.attempts, broken.sealed) == (delivery.ATTEMPTS, None)


def test_queries_per_message_stay_the_same(policy: PolicyVersion, smtp: Server) -> None:
    counts = []
    for number in (1, 3):
        for _ in range(number):
            posted(make_subject().pk, category="account", template="test_account")
        with CaptureQueriesContext(connection) as captured:
            assert deliver() == {"sent": number}
        counts.append(len(captured))
    assert counts[1] - counts[0] == 2 * PER_MESSAGE
