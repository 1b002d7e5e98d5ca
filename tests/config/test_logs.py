"""Logs tell where something failed and never whose data it was."""

import logging
import os
import subprocess
import sys

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
    assert [link["type"] for link in event["failure"]] == [
        "builtins.ValueError",
        "builtins.KeyError",
    ]
    assert event["failure"][0]["at"][-1].endswith("fail_with")
    assert "ada@example.com" not in str(event)


@pytest.mark.django_db
def test_unique_violation_leaves_no_address_in_the_log() -> None:
    Subject.objects.create(email="ada@example.com", created_at=timezone.now())
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        Subject.objects.create(email="ada@example.com", created_at=timezone.now())
    assert "ada@example.com" in str(caught.value)  # what the log would say without the scrubbing
    event = scrub_exception(logging.getLogger(), "error", {"exc_info": caught.value})
    assert "ada@example.com" not in str(event)


@pytest.mark.parametrize("as_json", ["true", "false"])
def test_a_logged_exception_is_written_without_its_message(as_json: str) -> None:
    """Through the real configuration, in a process of its own: it is global."""
    code = (
        "import django, logging; django.setup()\n"
        "log = logging.getLogger('django.request')\n"
        "log.warning('Not Found: /secret-token/')\n"
        "try:\n    raise ValueError('ada@example.com')\n"
        "except ValueError as e:\n    log.error('it failed', exc_info=e)\n"
    )
    environment = {**os.environ, "LOG_JSON": as_json, "LOG_LEVEL": "INFO"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "it failed" in done.stderr
    assert "builtins.ValueError" in done.stderr
    assert "ada@example.com" not in done.stderr
    assert "secret-token" not in done.stderr
    assert "Logging error" not in done.stderr
