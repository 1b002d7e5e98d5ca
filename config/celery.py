"""Celery: tasks are hints that work is due; the work itself is rows in Postgres.

So a lost message costs time, never work: every task can come twice or not at all, and a tick comes
again with the next beat.
"""

import os
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import structlog
from celery import Celery, Task
from celery.signals import before_task_publish, setup_logging, task_prerun
from django.conf import settings
from django.db import close_old_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
if not settings.configured:  # we are what was started, not what another process imported
    os.environ.setdefault("KEPT_PROCESS", "worker")

app = Celery("kept")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_logging(**kwargs: Any) -> None:
    """Leave logging as the settings made it; Celery would replace it and log task arguments."""


@before_task_publish.connect
def send_request_id(headers: dict[str, Any] | None = None, **kwargs: Any) -> None:
    """Let the task's logs carry the id of the request that sent it."""
    identifier = structlog.contextvars.get_contextvars().get("request_id")
    if headers is not None and identifier:
        headers["request_id"] = identifier


@task_prerun.connect
def renew_connections(**kwargs: Any) -> None:
    """Let go of a database connection that is old or broken, as Django does for each request.

    Celery keeps connections over many tasks (CELERY_DB_REUSE_MAX) and never looks at them: after
    a restart of Postgres a worker would fail task after task.
    """
    close_old_connections()


@task_prerun.connect
def take_request_id(task: Task[..., Any], **kwargs: Any) -> None:
    """Name the task in its logs, and the request it came from if there was one."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task=task.name)
    if identifier := getattr(task.request, "request_id", None):
        structlog.contextvars.bind_contextvars(request_id=identifier)


def schedules() -> dict[str, timedelta]:
    """Every app's `tasks.SCHEDULE`: task name → interval, divided by KEPT_TICK_SPEED."""
    found: dict[str, timedelta] = {}
    for app_name in settings.ROOMS:
        if find_spec(f"{app_name}.tasks") is None:
            continue
        for name, interval in getattr(import_module(f"{app_name}.tasks"), "SCHEDULE", {}).items():
            found[name] = max(interval / settings.KEPT_TICK_SPEED, timedelta(seconds=1))
    return found


@app.on_after_finalize.connect
def add_schedules(sender: Celery, **kwargs: Any) -> None:
    """Hand the intervals to beat; a tick that nobody fetched until the next one is dropped."""
    for name, interval in schedules().items():
        sender.conf.beat_schedule[name] = {
            "task": name,
            "schedule": interval,
            "options": {"expires": interval.total_seconds()},
        }
