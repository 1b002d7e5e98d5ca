"""Work of this room that comes by the clock."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from requests import fulfil

SCHEDULE = {"requests.follow": timedelta(seconds=30)}


@shared_task(name="requests.follow")
def follow() -> None:
    """Note which approved requests are being carried out by now."""
    fulfil.follow(now=timezone.now())
