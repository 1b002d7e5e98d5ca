"""Ticks and hints: what is due stands in Postgres, and every task only looks there."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from retention import erase

SCHEDULE = {"retention.erase": timedelta(seconds=30)}


@shared_task(name="retention.erase")
def erase_tick() -> None:
    """Carry out erasures that are due."""
    erase.work(now=timezone.now())
