"""What staff are written about, once each: a rule that the brake holds, a case that is late.

A mail that can't be written must not undo what it is about: the row's mark stays empty and the
next tick tries again. The mark is set in the transaction of the mail, so two ticks write once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime

from accounts.models import User
from accounts.roles import TABLE
from consent import mail
from policy import current
from policy.context import SiteFace
from policy.vocabulary import staff_title
from retention.models import Brake, ChildCase

log = structlog.get_logger(__name__)
DECIDE = "retention.sweep"
CHILDREN = "retention.children"


def tell_braked(*, now: datetime) -> int:
    """Write to everybody who may decide about brakes nobody was told of; how many brakes."""
    waiting = Brake.objects.filter(state=Brake.State.WAITING, told_at=None)
    return sum(_once(brake, "told_at", _write_braked, now) for brake in waiting)


def tell_late_cases(*, now: datetime) -> int:
    """Write to the desk about contested cases past the day on which everything was to be gone."""
    late = ChildCase.objects.filter(
        state=ChildCase.State.CONTESTED, erase_by__lt=now, late_told_at=None
    )
    return sum(_once(case, "late_told_at", _write_late, now) for case in late)


def tell_parent_agreed(case: ChildCase, *, now: datetime) -> None:
    """Write to the desk that a parent agreed and is to be verified; in the caller's transaction."""
    link = settings.SITE_URL + reverse("retention:case", args=[case.reference])
    _write(CHILDREN, "guardian_waiting", {"link": link}, now)


def _once(row: Any, mark: str, write: Callable[[Any, datetime], None], now: datetime) -> int:
    try:
        with transaction.atomic():
            mine = type(row).objects.filter(pk=row.pk, **{mark: None}).update(**{mark: now})
            if mine:
                write(row, now)
            return int(mine)
    except Exception as error:  # noqa: BLE001  whatever the mail's trouble is, the row stands
        log.error("staff not told", about=str(row.pk), error=type(error).__name__)
        return 0


def _write_braked(brake: Brake, now: datetime) -> None:
    context = {
        "link": settings.SITE_URL + reverse("retention:brake", args=[brake.reference]),
        "what": staff_title(brake.holding),
        "rows": number_format(brake.rows, force_grouping=True),
        "all": number_format(brake.table_rows, force_grouping=True),
    }
    _write(DECIDE, "sweep_braked", context, now)


def _write_late(case: ChildCase, now: datetime) -> None:
    version = current.fresh(now)
    context = {
        "link": settings.SITE_URL + reverse("retention:case", args=[case.reference]),
        "by": date_format(localtime(case.erase_by, version.document.zone), "j F Y, H:i"),
        "place": SiteFace(zone=version.document.zone).place,
    }
    _write(CHILDREN, "child_case_late", context, now)


def _write(permission: str, template: str, context: dict[str, Any], now: datetime) -> None:
    """One mail to each member of staff whose role holds the permission."""
    readers = User.objects.filter(staff_member__role__in=TABLE[permission], is_active=True)
    for reader in readers.order_by("pk"):
        mail.post(
            category="staff",
            template=template,
            context=context,
            address=reader.email,
            subject_id=reader.subject_id,
            now=now,
        )
