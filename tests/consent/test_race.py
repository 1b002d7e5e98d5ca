"""Sending against deciding, on real connections: nothing leaves after a withdrawal's commit."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from consent import checks, delivery
from consent.models import Event, Message
from policy.models import PolicyVersion
from tests.factories.consent import decided, make_subject, posted
from tests.plugins.smtp import Server

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 10


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


def test_a_withdrawal_waits_for_a_message_that_is_leaving(
    policy: PolicyVersion, smtp: Server
) -> None:
    subject = make_subject()
    decided(subject, "given", now=timezone.now())
    message = posted(subject.pk, now=timezone.now())
    words_arrived, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        words_arrived.set()
        go_on.wait(PATIENCE)

    smtp.mailbox.before_answer = wait
    with ThreadPoolExecutor(2) as pool:
        sending = in_thread(pool, send_all)
        assert words_arrived.wait(PATIENCE)
        deciding = in_thread(pool, lambda: decided(subject, "withdrawn", now=timezone.now()))
        time.sleep(0.3)
        assert not deciding.done()
        assert Event.objects.filter(decision="withdrawn").count() == 0
        go_on.set()
        assert sending.result(PATIENCE) == {"sent": 1}
        withdrawn = deciding.result(PATIENCE)
    message.refresh_from_db()
    assert isinstance(withdrawn, Event)
    assert message.sent_at is not None
    assert message.sent_at < withdrawn.at
    assert checks.voluntary_mail(timezone.now()).violations == ()


def test_a_message_waits_for_a_withdrawal_and_then_stays(
    policy: PolicyVersion, smtp: Server
) -> None:
    subject = make_subject()
    decided(subject, "given", now=timezone.now())
    posted(subject.pk, now=timezone.now())
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            decided(subject, "withdrawn", now=timezone.now())
            sending = in_thread(pool, send_all)
            time.sleep(0.5)
            assert not sending.done()
        assert sending.result(PATIENCE) == {"refused": 1}
    assert smtp.mailbox.taken == []


def test_an_instant_taken_before_the_wait_counts_from_after_it(
    policy: PolicyVersion, smtp: Server
) -> None:
    """A person pressed before the message left, and the commit came after: the ledger has the
    order of commits, so the check does not accuse the gate.
    """
    subject = make_subject()
    pressed = timezone.now()
    message = posted(subject.pk, now=pressed)
    assert send_all() == {"sent": 1}
    message.refresh_from_db()
    assert message.sent_at is not None
    assert decided(subject, "refused", now=pressed).at > message.sent_at


def test_many_workers_send_each_message_once(policy: PolicyVersion, smtp: Server) -> None:
    messages = [posted(make_subject().pk, now=timezone.now()) for _ in range(40)]
    with ThreadPoolExecutor(4) as pool:
        tallies = [in_thread(pool, send_all) for _ in range(4)]
        counts = [tally.result(60) for tally in tallies]
    assert sum(count.get("sent", 0) for count in counts) == 40  # type: ignore[attr-defined]
    ids = sorted(str(m["Message-ID"]) for m in smtp.mailbox.messages)
    assert ids == sorted(message.message_id for message in messages)


def test_two_first_decisions_at_once_make_one_row(policy: PolicyVersion) -> None:
    subject = make_subject()
    with ThreadPoolExecutor(4) as pool:
        waiting = [
            in_thread(pool, lambda: decided(subject, "given", now=timezone.now())) for _ in range(8)
        ]
        events = {future.result(PATIENCE).pk for future in waiting}  # type: ignore[attr-defined]
    assert len(events) == 1
    assert Event.objects.filter(subject=subject).count() == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("category", "template", "state", "copies"),
    [("service-news", "test_news", "uncertain", 1), ("account", "test_account", "sent", 2)],
)
def test_a_worker_killed_while_the_relay_has_the_words(
    policy: PolicyVersion,
    smtp: Server,
    category: str,
    template: str,
    state: str,
    copies: int,
) -> None:
    message = posted(make_subject().pk, category=category, template=template, now=timezone.now())
    words_arrived, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        words_arrived.set()
        go_on.wait(PATIENCE * 3)

    smtp.mailbox.before_answer = wait
    worker = start_worker(smtp.port)
    try:
        assert words_arrived.wait(PATIENCE * 3)
    finally:
        worker.kill()
        worker.wait(PATIENCE)
        go_on.set()
    smtp.mailbox.before_answer = lambda: None
    message.refresh_from_db()
    assert (message.state, message.attempts) == ("sending", 1)
    assert message.lease_until is not None
    after = message.lease_until + timedelta(seconds=1)
    deadline = time.monotonic() + PATIENCE
    while message.state == "sending" and time.monotonic() < deadline:
        # The dead worker's connection keeps its lock until Postgres sees that it is gone.
        delivery.deliver_due(clock=lambda: after, budget=timedelta(seconds=30))
        message.refresh_from_db()
        time.sleep(0.1)
    assert message.state == state
    assert [m["Message-ID"] for m in smtp.mailbox.messages] == [message.message_id] * copies


def start_worker(port: int) -> subprocess.Popen[bytes]:
    """Another process that sends what is due, on the test database."""
    url = os.environ["MIGRATE_DATABASE_URL"].rsplit("/", 1)[0]
    code = (
        "import django; django.setup();"
        "from datetime import timedelta; from django.utils import timezone;"
        "from consent import delivery;"
        "delivery.deliver_due(clock=timezone.now, budget=timedelta(seconds=30))"
    )
    name = connection.settings_dict["NAME"]
    environment = os.environ | {
        "MIGRATE_DATABASE_URL": f"{url}/{name}",
        "DATABASE_URL": f"{url}/{name}",
        "EMAIL_URL": f"smtp://127.0.0.1:{port}",
    }
    return subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=ROOT)


def test_a_message_sent_against_the_ledger_would_be_seen(
    policy: PolicyVersion, smtp: Server
) -> None:
    """The check under this file's races can fail: the same message moved behind the refusal."""
    subject = make_subject()
    refused = decided(subject, "refused", now=timezone.now())
    message = posted(subject.pk, now=timezone.now())
    Message.objects.filter(pk=message.pk).update(
        state="sent", sealed=None, sent_at=refused.at, ended_at=refused.at
    )
    assert checks.voluntary_mail(timezone.now()).violations == (str(message.pk),)
