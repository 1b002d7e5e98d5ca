"""Counts of several selections in one query."""

from datetime import UTC, datetime
from typing import Any

from datamap.counting import count
from datamap.models import Subject

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)


def test_count_asks_once_and_leaves_out_what_there_is_none_of(
    db: None, django_assert_num_queries: Any
) -> None:
    Subject.objects.create(created_at=NOW)
    Subject.objects.create(created_at=NOW, minor=True)
    everybody = Subject.objects.order_by("created_at")
    with django_assert_num_queries(1):
        found = count(
            {
                "all": everybody,
                "minors": everybody.filter(minor=True),
                "locked": everybody.filter(locked=True),
                "none": everybody.none(),
            }
        )
    assert found == {"all": 2, "minors": 1}


def test_count_of_nothing_asks_nothing(django_assert_num_queries: Any, db: None) -> None:
    with django_assert_num_queries(0):
        assert count({}) == {}
        assert count({"none": Subject.objects.none()}) == {}
