"""Tasks of every process go to the broker of the settings, under the rules of the settings."""

from datetime import timedelta

import celery
import pytest
import structlog
from celery.app.task import Context
from celery.signals import task_prerun
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from config.celery import app, schedules, send_request_id, take_request_id
from config.tasks import heartbeat


def test_tasks_belong_to_our_application() -> None:
    assert heartbeat.app.main == "kept"
    assert celery.current_app.conf.broker_url == settings.REDIS_URL


def test_a_killed_worker_loses_no_task() -> None:
    assert (app.conf.task_acks_late, app.conf.task_reject_on_worker_lost) == (True, True)
    visible = app.conf.broker_transport_options["visibility_timeout"]
    assert app.conf.task_soft_time_limit < app.conf.task_time_limit < visible


def test_schedule_is_made_of_the_rooms_own_ticks() -> None:
    app.finalize()
    assert set(app.conf.beat_schedule) == set(schedules())
    assert schedules()["config.heartbeat"] == timedelta(seconds=20)
    assert set(schedules()) <= set(app.tasks)


def test_every_task_has_a_name_of_its_room() -> None:
    ours = [name for name in app.tasks if not name.startswith("celery.")]
    assert [name for name in ours if name.split(".")[0] not in settings.ROOMS] == []


def test_only_json_is_accepted() -> None:
    assert app.conf.accept_content == ["json"]


def test_request_id_travels_with_the_task() -> None:
    headers: dict[str, str] = {}
    with structlog.contextvars.bound_contextvars(request_id="abc"):
        send_request_id(headers=headers)
    assert headers == {"request_id": "abc"}
    heartbeat.request_stack.push(Context(request_id="abc"))
    try:
        take_request_id(task=heartbeat)
        found = structlog.contextvars.get_contextvars()
    finally:
        heartbeat.request_stack.pop()
        structlog.contextvars.clear_contextvars()
    assert found == {"task": "config.heartbeat", "request_id": "abc"}


@pytest.mark.django_db(transaction=True)
def test_broken_connection_is_replaced_before_the_next_task() -> None:
    connection.ensure_connection()
    broken = connection.connection
    broken.close()  # what a restart of Postgres leaves behind
    with pytest.raises((InterfaceError, OperationalError)), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    task_prerun.send(sender=heartbeat, task=heartbeat)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    assert connection.connection is not broken
