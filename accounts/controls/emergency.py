"""What is reported lost is stopped at once, and done for good once it is confirmed (CC-26)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, F, Max, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, LossNotice, PaymentCard, PaymentToken, Session
from audit.control import Control, Finding, Sort, declare
from audit.models import AuditEntry

# "At once": a worker looks every half minute; more than this is a promise broken.
AT_ONCE = timedelta(minutes=5)
State = LossNotice.State


def lost_or_stolen(now: datetime) -> Finding:
    """From the report to stopped, and from the confirmation to done: by the times of the rows, and
    by what is left of log-ins, keys, cards and tokens of those people.
    """
    notices = LossNotice.objects.all()
    settled = notices.filter(state=State.CONFIRMED)
    late = Q(state=State.REPORTED, reported_at__lt=now - AT_ONCE)
    late |= Q(acted_at__gt=F("reported_at") + AT_ONCE)
    late |= Q(done_at__gt=F("confirmed_at") + AT_ONCE)
    violations = [f"late:{pk}" for pk in notices.filter(late).values_list("pk", flat=True)]
    stopped = notices.filter(state=State.OPEN)
    for name, left in (
        ("signed in", stopped.filter(_signed_in(now))),
        ("not frozen", stopped.filter(_chargeable())),
        ("token left", settled.filter(card=True).filter(_tokens())),
        ("key left", settled.filter(password=True).filter(_keys(now))),
        ("signed in after", settled.filter(password=True).filter(_old_sessions(now))),
        ("not told", notices.exclude(state=State.REPORTED).filter(~_logged())),
    ):
        violations += [f"{name}:{pk}" for pk in left.values_list("pk", flat=True)]
    return Finding.of(checked=notices.count(), violations=violations, slowest_seconds=_slowest())


def _signed_in(now: datetime) -> Exists | Q:
    """A log-in that began before the stop; where it is the password, any log-in at all."""
    running = Session.objects.filter(user__subject=OuterRef("subject"), expire_date__gt=now)
    before = Exists(running.filter(created_at__lte=OuterRef("acted_at")))
    return Q(before) | Q(password=True) & Q(Exists(running))


def _chargeable() -> Exists:
    return Exists(
        PaymentCard.objects.filter(
            subject=OuterRef("subject"),
            added_at__lte=OuterRef("acted_at"),
            frozen_at=None,
            dropped_at=None,
        )
    )


def _tokens() -> Exists:
    return Exists(
        PaymentToken.objects.filter(
            card__subject=OuterRef("subject"), card__added_at__lte=OuterRef("confirmed_at")
        )
    )


def _keys(now: datetime) -> Exists:
    return Exists(
        ApiKey.objects.filter(
            user__subject=OuterRef("subject"),
            created_at__lte=OuterRef("confirmed_at"),
            expires_at__gt=now,
        )
    )


def _old_sessions(now: datetime) -> Exists:
    return Exists(
        Session.objects.filter(
            user__subject=OuterRef("subject"),
            created_at__lte=OuterRef("confirmed_at"),
            expire_date__gt=now,
        )
    )


def _logged() -> Exists:
    return Exists(
        AuditEntry.objects.filter(verb="accounts.loss-reported", subject_id=OuterRef("subject"))
    )


def _slowest() -> float:
    """Seconds from a report to the stop, of the slowest."""
    span = LossNotice.objects.aggregate(slowest=Max(F("acted_at") - F("reported_at")))["slowest"]
    return round(span.total_seconds(), 1) if span else 0.0


declare(
    Control(
        key="accounts.lost-or-stolen",
        sentence=_(
            "What is reported lost or stolen is stopped at once, and for good on your word."
        ),
        how=_(
            "For every report we compare when it came with when log-ins and cards were stopped, "
            "and look whether any log-in, key or card of that person still works that should not."
        ),
        sort=Sort.QUERY,
        check=lost_or_stolen,
    ),
)
