"""Work of this room that comes by the clock."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from requests import fulfil, package_files, package_orders

# A person with very much data is no reason to give up half way. The broker may hand the message to
# a second worker meanwhile; it finds the lease and goes on with something else.
LONGEST_BUILD = 4 * 3600  # seconds

SCHEDULE = {
    "requests.follow": timedelta(seconds=30),
    "requests.packages": timedelta(seconds=10),
    "requests.orphans": timedelta(minutes=10),
}


@shared_task(name="requests.follow")
def follow() -> None:
    """Note which approved requests are being carried out by now."""
    fulfil.follow(now=timezone.now())


@shared_task(
    name="requests.packages",
    soft_time_limit=LONGEST_BUILD,
    time_limit=LONGEST_BUILD + 60,
)
def packages() -> None:
    """Build the packages that are ordered."""
    package_orders.work(now=timezone.now())


@shared_task(name="requests.orphans")
def orphans() -> None:
    """Remove stored files that belong to no package."""
    package_files.remove_orphans(now=timezone.now())
