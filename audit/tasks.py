"""Ticks of this room: old evidence is thinned out, old counts are added up."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from audit import thinning

SCHEDULE = {"audit.thin": timedelta(hours=6)}


@shared_task(name="audit.thin")
def thin() -> int:
    """Thin out what is old; how many rows went."""
    return thinning.thin(now=timezone.now())
