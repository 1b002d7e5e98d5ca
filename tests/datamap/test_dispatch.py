"""A broker that is down costs time and nothing else."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from celery import Celery
from django.db import transaction

from datamap import dispatch


@pytest.fixture(autouse=True)
def forget_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "_down_until", 0.0)


@pytest.fixture
def lost_broker() -> Iterator[Celery]:
    """A Celery application whose broker refuses connections."""
    from django.conf import settings

    app = Celery("lost", broker="redis://127.0.0.1:1/0", set_as_current=False)
    app.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    app.conf.task_publish_retry = False
    yield app
    app.close()


Capture = Callable[..., AbstractContextManager[list[Callable[[], object]]]]


@pytest.mark.django_db
def test_send_on_commit_survives_a_broker_that_is_down(
    lost_broker: Celery, django_capture_on_commit_callbacks: Capture
) -> None:
    @lost_broker.task(name="lost.task")
    def task(number: int) -> int:
        return number

    started = time.monotonic()
    with django_capture_on_commit_callbacks(execute=True):
        dispatch.send_on_commit(task, 1)
        dispatch.send_on_commit(task, 2)
    # The second one doesn't wait for the same time-out again.
    assert time.monotonic() - started < 1.5
    assert dispatch._down_until > time.monotonic()


@pytest.mark.django_db
def test_send_on_commit_sends_nothing_before_the_commit(
    django_capture_on_commit_callbacks: Capture,
) -> None:
    sent: list[tuple[object, ...]] = []

    class Recorder:
        name = "recorder.task"

        def delay(self, *args: object) -> None:
            sent.append(args)

    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        dispatch.send_on_commit(Recorder(), "id-1")
        assert sent == []
    assert sent == [("id-1",)]


@pytest.mark.django_db
def test_send_on_commit_forgets_what_was_rolled_back(
    django_capture_on_commit_callbacks: Capture,
) -> None:
    sent: list[tuple[object, ...]] = []

    class Recorder:
        name = "recorder.task"

        def delay(self, *args: object) -> None:
            sent.append(args)

    def fail() -> None:
        with transaction.atomic():
            dispatch.send_on_commit(Recorder(), "id-1")
            raise ZeroDivisionError

    with django_capture_on_commit_callbacks(execute=True), pytest.raises(ZeroDivisionError):
        fail()
    assert sent == []


@pytest.mark.django_db
def test_left_to_ticks_sends_nothing_meanwhile(
    django_capture_on_commit_callbacks: Capture,
) -> None:
    sent: list[tuple[object, ...]] = []

    class Recorder:
        name = "recorder.task"

        def delay(self, *args: object) -> None:
            sent.append(args)

    with django_capture_on_commit_callbacks(execute=True):
        dispatch.send_on_commit(Recorder(), "after")
    with dispatch.left_to_ticks(), django_capture_on_commit_callbacks(execute=True):
        dispatch.send_on_commit(Recorder(), "meanwhile")
    assert sent == [("after",)]
