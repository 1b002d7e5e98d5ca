"""Work of this room that comes by the clock."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from requests import fulfil, links

SCHEDULE = {
    "requests.follow": timedelta(seconds=30),
    "requests.end_links": timedelta(days=1),
}


@shared_task(name="requests.follow")
def follow() -> None:
    """Note which approved requests are being carried out by now."""
    fulfil.follow(now=timezone.now())


@shared_task(name="requests.end_links")
def end_links() -> None:
    """Delete status links that no longer open anything."""
    links.delete_expired(now=timezone.now())
