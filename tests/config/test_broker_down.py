"""While the broker is down people are answered as ever, and the work follows once it is back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.screen import PASS_COOKIE, AgePass, seal
from config.celery import app
from consent import ledger, tasks
from consent.models import Message
from datamap import dispatch
from policy.models import PolicyVersion
from requests.models import Request
from tests.factories.accounts import BORN, PASSWORD, member, reauthenticated
from tests.plugins.smtp import Server

Capture = Callable[..., AbstractContextManager[list[Callable[[], object]]]]


@pytest.fixture
def broker_down(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Celery's own application with a broker where nobody listens."""
    cache.clear()
    monkeypatch.setattr(dispatch, "_down_until", 0.0)
    conf: Any = app.conf
    amqp: Any = app.amqp
    earlier = conf.broker_url
    amqp._producer_pool = None
    conf.broker_url = conf.broker_write_url = "redis://127.0.0.1:1/0"
    yield
    conf.broker_url = conf.broker_write_url = earlier
    amqp._producer_pool = None


def noticed() -> bool:
    """Whether a task was really tried, and the broker found to be away."""
    return dispatch._down_until > time.monotonic()


def test_request_for_deletion_is_taken(
    wecustomers: PolicyVersion,
    broker_down: None,
    client: Client,
    smtp: Server,
    django_capture_on_commit_callbacks: Capture,
) -> None:
    user = member()
    reauthenticated(client, user)
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(reverse("requests:delete"))
    assert (answer.status_code, noticed()) == (302, True)
    assert Request.objects.get().subject_id == user.subject_id
    mail = Message.objects.get(template="deletion_received")
    assert mail.state == "queued"
    tasks.send_due_mail()  # what the next tick does
    mail.refresh_from_db()
    assert (mail.state, smtp.mailbox.recipients) == ("sent", [user.email])


def test_sign_up_is_taken(
    wecustomers: PolicyVersion,
    broker_down: None,
    client: Client,
    django_capture_on_commit_callbacks: Capture,
) -> None:
    passed = AgePass(born_on=BORN, passed_at=timezone.now(), policy_digest=wecustomers.digest)
    client.cookies[PASS_COOKIE] = seal(passed)
    form = {
        "first_name": "Robin",
        "last_name": "Example",
        "email": "robin@example.com",
        "password": PASSWORD,
        "transfer-united-states": "yes",
    }
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(reverse("accounts:signup"), form)
    assert (answer.status_code, noticed()) == (302, True)
    assert User.objects.get().email == "robin@example.com"
    assert Message.objects.get().state == "queued"


def test_choice_counts_at_once(
    wecustomers: PolicyVersion,
    broker_down: None,
    client: Client,
    django_capture_on_commit_callbacks: Capture,
) -> None:
    user = member()
    client.force_login(user)
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(reverse("consent:choices"), {"kind": "mail", "key": "service-news"})
    assert answer.status_code == 302
    assert ledger.standing(user.subject_id)["mail", "service-news"].decision == "refused"
