"""Sending Celery tasks after commit, so that a broker that is down costs time and nothing else.

The queue is never the truth: the work is a row in Postgres, and the next tick finds it. So a task
that can't be sent is noted in the log and forgotten, and a committed request is answered as usual.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

import structlog
from django.db import transaction
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

# Ids, keys and figures: nothing personal travels through the broker.
Argument = str | int | bool | None

# After a failure nothing is sent for a while, or every request would wait for the same time-out.
PAUSE_SECONDS = 5.0
_down_until = 0.0
_left_to_ticks = ContextVar("left_to_ticks", default=False)


@contextmanager
def left_to_ticks() -> Iterator[None]:
    """Send no task meanwhile: bulk work that would only queue what the ticks find anyway."""
    token = _left_to_ticks.set(True)
    try:
        yield
    finally:
        _left_to_ticks.reset(token)


class Task(Protocol):
    """What Celery's tasks look like from here."""

    name: str

    @property
    def delay(self) -> Callable[..., object]: ...


def send_on_commit(task: Task, *args: Argument) -> None:
    """Send `task` when the running transaction commits (at once without one). Never raises."""

    def send() -> None:
        _send(task, args)

    transaction.on_commit(send, robust=True)


def _send(task: Task, args: tuple[Argument, ...]) -> None:
    global _down_until
    if _left_to_ticks.get():
        return
    if time.monotonic() < _down_until:
        log.debug("dispatch.skipped", task=task.name)
        return
    try:
        task.delay(*args)
    except (BrokerError, RedisError, OSError) as error:
        _down_until = time.monotonic() + PAUSE_SECONDS
        log.warning("dispatch.broker_unreachable", task=task.name, error=type(error).__name__)
