"""Ticks of this room: promises are evaluated when their evidence grows old."""

from datetime import datetime, timedelta

from celery import shared_task
from django.utils import timezone

from datamap.dispatch import send_on_commit
from policy import current, evaluation

SCHEDULE = {"policy.check_promises": timedelta(minutes=10)}


@shared_task(name="policy.check_promises")
def check_promises() -> int:
    """Send out every control that is due; how many."""
    try:
        version = current.in_force()
    except current.NoPolicy:
        return 0
    keys = evaluation.due(version=version, now=timezone.now())
    for key in keys:
        send_on_commit(check_promise, key)
    return len(keys)


@shared_task(name="policy.check_promise_now")
def check_promise_now(key: str, asked_at: str) -> None:
    """Evaluate one control because staff asked at that time (ISO 8601)."""
    evaluation.evaluate_newer(
        key=key,
        version=current.in_force(),
        asked_at=datetime.fromisoformat(asked_at),
        now=timezone.now(),
    )


@shared_task(name="policy.check_promise")
def check_promise(key: str) -> None:
    """Evaluate one control unless another worker is at it or just was."""
    version = current.in_force()
    evaluation.evaluate_if_due(key=key, version=version, now=timezone.now())
