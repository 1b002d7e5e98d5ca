"""The tasks only hint at what stands in Postgres, so each can come late, twice or not at all."""

from __future__ import annotations

import uuid

from django.utils import timezone

from config.celery import app, schedules
from consent import tasks
from consent.models import Message
from policy.models import PolicyVersion
from tests.factories.consent import make_subject, posted
from tests.plugins.smtp import Server


def test_one_message_is_sent_by_its_task_once(policy: PolicyVersion, smtp: Server) -> None:
    message, other = (posted(make_subject().pk, now=timezone.now()) for _ in range(2))
    tasks.send_mail(str(message.pk))
    tasks.send_mail(str(message.pk))
    tasks.send_mail(str(uuid.uuid4()))
    assert [m["Message-ID"] for m in smtp.mailbox.messages] == [message.message_id]
    other.refresh_from_db()
    assert other.state == "queued"


def test_the_tick_sends_what_no_task_came_for(policy: PolicyVersion, smtp: Server) -> None:
    for _ in range(3):
        posted(make_subject().pk, now=timezone.now())
    tasks.send_due_mail()
    tasks.send_due_mail()
    assert len(smtp.mailbox.taken) == 3
    assert set(Message.objects.values_list("state", flat=True)) == {"sent"}


def test_the_tick_is_scheduled_under_its_name() -> None:
    assert "consent.send_due_mail" in schedules()
    assert {"consent.send_due_mail", "consent.send_mail"} <= set(app.tasks)
