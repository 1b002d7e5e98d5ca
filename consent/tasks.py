"""Tasks that send mail. Both only hint: what is due stands in Postgres."""

from datetime import timedelta
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from consent import delivery

# Below the soft time limit of tasks.
BUDGET = timedelta(seconds=120)
SCHEDULE = {"consent.send_due_mail": timedelta(seconds=30)}


@shared_task(name="consent.send_mail")
def send_mail(message_id: str) -> None:
    """Send one message that was just posted or released."""
    delivery.deliver_one(UUID(message_id), clock=timezone.now)


@shared_task(name="consent.send_due_mail")
def send_due_mail() -> None:
    """Send whatever is due, and decide about what a dead worker left behind."""
    delivery.deliver_due(clock=timezone.now, budget=BUDGET)
