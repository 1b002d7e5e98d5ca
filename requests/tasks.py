"""Work of this room that comes by the clock."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from requests import fulfil, package_files, package_orders

SCHEDULE = {
    "requests.follow": timedelta(seconds=30),
    "requests.packages": timedelta(seconds=10),
    "requests.orphans": timedelta(minutes=10),
}


@shared_task(name="requests.follow")
def follow() -> None:
    """Note which approved requests are being carried out by now."""
    fulfil.follow(now=timezone.now())


@shared_task(name="requests.packages")
def packages() -> None:
    """Build the packages that are ordered."""
    package_orders.work(now=timezone.now())


@shared_task(name="requests.orphans")
def orphans() -> None:
    """Remove stored files that belong to no package."""
    package_files.remove_orphans(now=timezone.now())
