"""Which rows an erasure still has to take."""

from __future__ import annotations

import pytest

from datamap import registry
from datamap.models import Subject
from tests.factories.policy import PUBLISHED_AT


@pytest.fixture
def subjects(db: None) -> list[Subject]:
    return [
        Subject.objects.create(email=f"robin{n}@example.com", created_at=PUBLISHED_AT)
        for n in range(3)
    ]


def test_rows_of_takes_only_the_asked_for(subjects: list[Subject]) -> None:
    holding = registry.holding("datamap.subject")
    assert list(holding.rows_of([subjects[1].pk])) == [subjects[1]]


def test_an_anonymised_row_is_no_longer_to_erase(subjects: list[Subject]) -> None:
    holding = registry.holding("datamap.subject")
    ids = [subject.pk for subject in subjects]
    assert holding.rows_to_erase(ids).count() == 3
    Subject.objects.filter(pk=ids[0]).update(**holding.blank)
    assert set(holding.rows_to_erase(ids)) == set(subjects[1:])
    # One value left over is a row left over.
    Subject.objects.filter(pk=ids[0]).update(minor=True)
    assert holding.rows_to_erase(ids).count() == 3


def test_rows_that_stay_are_never_to_erase(db: None) -> None:
    holding = registry.holding("audit.entry")
    assert holding.rows_to_erase([None]).count() == 0


def test_field_names_are_all_names() -> None:
    holding = registry.holding("audit.entry")
    assert {"facts", "actor_id", "leaf"} <= holding.field_names
