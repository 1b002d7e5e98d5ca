"""Work that comes with time: people grow up, losses are reported, payments are forgotten."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from accounts import connections, fact_news, photos
from accounts.age import come_of_age
from accounts.guardians import end_due
from accounts.payments import end_forgotten

SCHEDULE = {
    "accounts.announce_facts": timedelta(hours=1),
    "accounts.drop_empty_blocks": timedelta(days=1),
    "accounts.come_of_age": timedelta(hours=6),
    "accounts.guardians": timedelta(seconds=60),
    "accounts.act_on_losses": timedelta(seconds=30),
    "accounts.end_payments": timedelta(minutes=10),
    "accounts.remove_orphan_photos": timedelta(hours=1),
}


@shared_task(name="accounts.come_of_age")
def come_of_age_today() -> int:
    """Tell everybody whose birthday made them of age."""
    return come_of_age(now=timezone.now())


@shared_task(name="accounts.act_on_losses")
def act_on_losses() -> int:
    """Stop what was reported lost or stolen."""
    from accounts.emergency import act  # which sends this task

    return act(now=timezone.now())


@shared_task(name="accounts.end_payments")
def end_payments() -> int:
    """Close the payments that nobody closed in time."""
    return end_forgotten(now=timezone.now())


@shared_task(name="accounts.remove_orphan_photos")
def remove_orphan_photos() -> int:
    """Remove photos that no profile names."""
    return photos.remove_orphans(now=timezone.now())


@shared_task(name="accounts.guardians")
def guardians_tick() -> int:
    """Delete what is held to ask parents, where that is over."""
    return end_due(now=timezone.now())


@shared_task(name="accounts.announce_facts")
def announce_facts() -> int:
    """Tell people what others said about them, where that was not told at once."""
    return fact_news.announce_all(now=timezone.now())


@shared_task(name="accounts.drop_empty_blocks")
def drop_empty_blocks() -> int:
    """Delete blocks of people who were erased."""
    return connections.drop_empty_blocks()
