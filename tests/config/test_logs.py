"""Logs tell where something failed and never whose data it was."""

import logging

import pytest
import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone

from config.logs import scrub_exception
from datamap.models import Subject


def fail_with(text: str) -> structlog.typing.EventDict:
    try:
        try:
            raise KeyError(text)
        except KeyError as inner:
            raise ValueError(text) from inner
    except ValueError as error:
        return scrub_exception(logging.getLogger(), "error", {"event": "x", "exc_info": error})


def test_scrub_exception_keeps_types_and_places_only() -> None:
    event = fail_with("ada@example.com")
    assert [link["type"] for link in event["exception"]] == [
        "builtins.ValueError",
        "builtins.KeyError",
    ]
    assert event["exception"][0]["at"][-1].endswith("fail_with")
    assert "ada@example.com" not in str(event)


@pytest.mark.django_db
def test_unique_violation_leaves_no_address_in_the_log() -> None:
    Subject.objects.create(email="ada@example.com", created_at=timezone.now())
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        Subject.objects.create(email="ada@example.com", created_at=timezone.now())
    assert "ada@example.com" in str(caught.value)  # what the log would say without the scrubbing
    event = scrub_exception(logging.getLogger(), "error", {"exc_info": caught.value})
    assert "ada@example.com" not in str(event)
