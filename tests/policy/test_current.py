"""The version in force: by time, from memory, and never older than a publication here."""

from datetime import timedelta
from typing import Any

import pytest

from policy import current
from policy.models import PolicyVersion
from tests.factories.policy import PUBLISHED_AT, edited, publish_bytes, relabelled

LATER = PUBLISHED_AT + timedelta(days=100)


def test_in_force_raises_before_the_first_version(wecustomers: PolicyVersion) -> None:
    with pytest.raises(current.NoPolicy):
        current.in_force(PUBLISHED_AT - timedelta(seconds=1))
    assert current.in_force(PUBLISHED_AT) == wecustomers


def test_in_force_costs_no_query_once_known(
    wecustomers: PolicyVersion, django_assert_num_queries: Any
) -> None:
    assert current.document().site.name == "WeCustomers"
    with django_assert_num_queries(0):
        assert current.in_force() == wecustomers
        assert current.document().site.name == "WeCustomers"
