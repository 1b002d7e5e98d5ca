"""The answer to an erasure leaves while the erasure ends: it is delivered, and nothing stays."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from accounts.roles import Role
from consent import delivery
from consent.models import Message, State
from datamap.models import Subject
from policy.models import PolicyVersion
from retention import erase
from tests.factories.accounts import member, staff_member
from tests.factories.requests import approved
from tests.plugins.smtp import Server

pytestmark = pytest.mark.django_db(transaction=True)


def test_answer_that_leaves_while_the_erasure_ends_stays_nowhere(
    wecustomers: PolicyVersion, smtp: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewer, person = staff_member(Role.REVIEWER), member()
    approved(person, reviewer, now=timezone.now())
    address, subject = person.email, person.subject_id
    erasing: list[Future[erase.Worked]] = []
    real = delivery._end

    def erase_everything() -> erase.Worked:
        try:
            return erase.work(now=timezone.now())
        finally:
            connections.close_all()

    def slowly(message: Message, state: State, **rest: Any) -> str:
        """The whole erasure is tried between an answer's end and the commit of it."""
        ended = real(message, state, **rest)
        if not erasing:
            erasing.append(pool.submit(erase_everything))
            wait(erasing, timeout=4)
        return ended

    monkeypatch.setattr(delivery, "_end", slowly)
    with ThreadPoolExecutor(1) as pool:
        delivery.deliver_due(clock=timezone.now, budget=timedelta(seconds=20))
        (worked,) = [future.result(30) for future in erasing]
    delivery.deliver_due(clock=timezone.now, budget=timedelta(seconds=20))
    assert len(worked.done) == 1
    assert Subject.objects.get(pk=subject).erased_at is not None
    assert Message.objects.filter(subject_id=subject).count() == 0
    assert smtp.mailbox.recipients.count(address) >= 2
