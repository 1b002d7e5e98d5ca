"""Ticks and hints: what is due stands in Postgres, and every task only looks there."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from retention import alarms, children, erase, schedule

SCHEDULE = {
    "retention.sweep": timedelta(seconds=30),
    "retention.erase": timedelta(seconds=30),
    "retention.children": timedelta(seconds=60),
}


@shared_task(name="retention.sweep")
def sweep_tick() -> None:
    """Work at the open sweep, or at the one that is due."""
    now = timezone.now()
    alarms.tell_braked(now=now)
    schedule.sweep_if_due(now=now)


@shared_task(name="retention.erase")
def erase_tick() -> None:
    """Carry out erasures that are due."""
    erase.work(now=timezone.now())


@shared_task(name="retention.children")
def children_tick() -> None:
    """Start erasing children whose time to contest is over; tell staff about late cases."""
    now = timezone.now()
    children.erase_due(now=now)
    alarms.tell_late_cases(now=now)
