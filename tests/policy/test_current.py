"""The version in force: by time, from memory, and never long behind the database."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from policy import current
from policy.models import PolicyVersion
from tests.factories.policy import PUBLISHED_AT, edited, file_bytes, publish_bytes, relabelled

LATER = PUBLISHED_AT + timedelta(days=100)
OTHER = relabelled(
    edited("policies/wecustomers.toml", ('name = "WeCustomers"', 'name = "WeOthers"')), "2"
)


def test_in_force_raises_before_the_first_version(wecustomers: PolicyVersion) -> None:
    with pytest.raises(current.NoPolicy):
        current.in_force(PUBLISHED_AT - timedelta(seconds=1))
    assert current.in_force(PUBLISHED_AT) == wecustomers


def test_no_policy_is_remembered_too(db: None, django_assert_num_queries: Any) -> None:
    for queries in (1, 0):
        with django_assert_num_queries(queries), pytest.raises(current.NoPolicy):
            current.in_force()
    with pytest.raises(current.NoPolicy):
        current.fresh()


def test_in_force_costs_no_query_once_known(
    wecustomers: PolicyVersion, django_assert_num_queries: Any
) -> None:
    assert current.document().site.name == "WeCustomers"
    with django_assert_num_queries(0):
        assert current.in_force() == wecustomers
        assert current.document().site.name == "WeCustomers"


def test_a_waiting_version_takes_over_without_a_query(
    wecustomers: PolicyVersion, django_assert_num_queries: Any
) -> None:
    waiting = publish_bytes(OTHER, now=LATER)
    assert current.in_force(LATER) == wecustomers
    with django_assert_num_queries(0):
        assert current.in_force(waiting.effective_at) == waiting
        assert current.document(waiting.effective_at).site.name == "WeOthers"


def test_fresh_reads_in_the_callers_transaction(
    wecustomers: PolicyVersion, django_assert_num_queries: Any
) -> None:
    current.in_force()
    with django_assert_num_queries(1):
        assert current.fresh() == wecustomers


def test_an_unchanged_schedule_costs_one_small_query(
    wecustomers: PolicyVersion, settings: Any, django_assert_num_queries: Any
) -> None:
    settings.POLICY_REFRESH_SECONDS = 0.01
    current.in_force()
    time.sleep(0.02)
    with django_assert_num_queries(1) as queries:
        current.in_force()
    assert "source" not in queries[0]["sql"]


def test_what_another_process_published_is_seen_soon(
    wecustomers: PolicyVersion, settings: Any
) -> None:
    settings.POLICY_REFRESH_SECONDS = 0.01
    remembered = current.in_force()
    publish_bytes(relabelled(file_bytes() + b"# more\n", "2"), now=LATER)
    current._memory.schedule = current._Schedule((remembered,), time.monotonic())
    assert current.in_force() == remembered
    time.sleep(0.02)
    assert current.in_force().version == "2"


@pytest.mark.django_db(transaction=True)
def test_a_thread_keeps_a_serving_process_fresh(
    settings: Any, django_assert_num_queries: Any
) -> None:
    settings.POLICY_REFRESH_SECONDS = 0.05
    first = publish_bytes(file_bytes())
    current.keep_fresh()
    thread = current._memory.thread
    current.keep_fresh()
    assert current._memory.thread is thread
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
    current._memory.used_at = 0.0
    assert thread is not None
    thread.join(5)
    assert not thread.is_alive()


def test_a_forked_child_starts_with_an_empty_memory(wecustomers: PolicyVersion) -> None:
    current.in_force()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, b"empty" if current._memory.schedule is None else b"known")
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reading, 10) == b"empty"
    connection.ensure_connection()
