"""Celery: tasks are hints that work is due; the work itself is rows in Postgres.

So a lost message costs time, never work: every task can come twice or not at all, and a tick comes
again with the next beat.
"""

import os
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
if not settings.configured:  # we are what was started, not what another process imported
    os.environ.setdefault("KEPT_PROCESS", "worker")

app = Celery("kept")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_logging(**kwargs: Any) -> None:
    """Leave logging as the settings made it; Celery would replace it and log task arguments."""


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
