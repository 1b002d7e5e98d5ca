"""Who belongs together: trees of merges, asked from any of their ends."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction

from datamap.models import Subject, SubjectMerge
from datamap.same_person import people, same_person, selection

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def subjects(number: int) -> list[UUID]:
    return [Subject.objects.create(created_at=NOW).pk for _ in range(number)]


def merged(kept: UUID, other: UUID, **fields: Any) -> SubjectMerge:
    return SubjectMerge.objects.create(
        kept_id=kept, merged_id=other, merged_at=NOW, merged_by=uuid4(), **fields
    )


def test_somebody_with_one_subject_is_only_that() -> None:
    (one,) = subjects(1)
    assert same_person(one) == [one]


def test_whoever_nobody_knows_is_only_themselves() -> None:
    nobody = uuid4()
    assert same_person(nobody) == [nobody]


def test_group_is_the_same_from_each_of_its_ends() -> None:
    a, b, c, d, stranger = subjects(5)
    merged(a, b)
    merged(b, c)
    merged(d, a)
    merged(*subjects(2))
    for end in (a, b, c, d):
        assert same_person(end)[0] == end
        assert set(same_person(end)) == {a, b, c, d}
    assert people([a, stranger]) == {a, b, c, d, stranger}


def test_merge_that_was_undone_holds_nothing_together() -> None:
    a, b, c = subjects(3)
    merged(a, b, undone_at=NOW + timedelta(days=1), undone_by=uuid4())
    merged(b, c)
    assert same_person(a) == [a]
    assert set(same_person(b)) == {b, c}


def test_selection_finds_the_same_without_a_query_of_its_own(
    django_assert_num_queries: Any,
) -> None:
    a, b, c = subjects(3)
    merged(a, b)
    with django_assert_num_queries(1):
        found = set(Subject.objects.filter(pk__in=selection(b)).values_list("pk", flat=True))
    assert found == {a, b}
    assert c not in found


@pytest.mark.parametrize(
    "wrong",
    ["with itself", "twice", "undone by nobody", "undone before"],
)
def test_merges_that_make_no_sense_are_refused_by_the_table(wrong: str) -> None:
    a, b, c = subjects(3)
    merged(a, b)
    later, earlier = NOW + timedelta(days=1), NOW - timedelta(days=1)
    ways: dict[str, tuple[UUID, UUID, dict[str, Any]]] = {
        "with itself": (c, c, {}),
        "twice": (c, b, {}),
        "undone by nobody": (b, c, {"undone_at": later}),
        "undone before": (b, c, {"undone_at": earlier, "undone_by": uuid4()}),
    }
    kept, other, fields = ways[wrong]
    with pytest.raises(IntegrityError), transaction.atomic():
        merged(kept, other, **fields)
