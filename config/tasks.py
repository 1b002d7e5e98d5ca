"""The worker's heartbeat, by which /readyz tells that beat and a worker are alive."""

from datetime import timedelta

from celery import shared_task
from django.core.cache import caches
from django.utils import timezone

HEARTBEAT_KEY = "kept:heartbeat"
HEARTBEAT_INTERVAL = timedelta(seconds=20)
SCHEDULE = {"config.heartbeat": HEARTBEAT_INTERVAL}


@shared_task(name="config.heartbeat")
def heartbeat() -> None:
    """Note that a task sent by beat has just been run by a worker."""
    caches["strict"].set(HEARTBEAT_KEY, timezone.now().timestamp(), timeout=3600)
