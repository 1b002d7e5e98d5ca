"""What processes remember: renewed by a thread, forgotten in a forked child."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from policy import current, memory
from policy.models import PolicyVersion
from tests.factories.policy import PUBLISHED_AT, edited, file_bytes, publish_bytes, relabelled

LATER = PUBLISHED_AT + timedelta(days=100)
OTHER = relabelled(
    edited("policies/wecustomers.toml", ('name = "WeCustomers"', 'name = "WeOthers"')), "2"
)


@pytest.mark.django_db(transaction=True)
def test_a_thread_keeps_a_serving_process_fresh(
    settings: Any, django_assert_num_queries: Any
) -> None:
    settings.POLICY_REFRESH_SECONDS = 0.05
    first = publish_bytes(file_bytes())
    memory.keep_fresh()
    thread = memory._refresher.thread
    memory.keep_fresh()
    assert memory._refresher.thread is thread
    assert current.in_force() == first
    # Written past `publish`, as another process would.
    PolicyVersion.objects.create(
        number=2,
        site="x",
        version="2",
        released_on=first.released_on,
        digest="0" * 64,
        filename="x",
        source=OTHER.decode(),
        published_at=LATER,
        effective_at=LATER,
        older_data_at=LATER,
        published_by_kind="system",
        material=False,
    )
    with django_assert_num_queries(0):
        deadline = time.monotonic() + 5
        while current.in_force().number == 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert current.in_force().number == 2
    memory._refresher.used_at = 0.0
    assert thread is not None
    thread.join(5)
    assert not thread.is_alive()


def test_a_forked_child_starts_with_an_empty_memory(wecustomers: PolicyVersion) -> None:
    current.in_force()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, b"empty" if current._versions._known is None else b"known")
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reading, 10) == b"empty"
    connection.ensure_connection()
