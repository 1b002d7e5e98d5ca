"""Work that comes with time: people grow up."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from accounts.age import come_of_age

SCHEDULE = {"accounts.come_of_age": timedelta(hours=6)}


@shared_task(name="accounts.come_of_age")
def come_of_age_today() -> int:
    """End the private defaults of everybody whose birthday came."""
    return come_of_age(now=timezone.now())
