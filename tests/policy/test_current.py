"""The version in force: by time, from memory, and never long behind the database."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

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
    current._versions._known = ((remembered,), time.monotonic())
    assert current.in_force() == remembered
    time.sleep(0.02)
    assert current.in_force().version == "2"
