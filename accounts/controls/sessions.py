"""Log-ins end with the browser unless the person asked for more."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import (
    Count,
    Exists,
    OuterRef,
)
from django.utils.translation import gettext_lazy as _

from accounts.controls import probes
from accounts.models import Session
from audit.control import Control, Finding, Sort, declare
from audit.models import AuditEntry

LONGEST_STAY = timedelta(days=14, minutes=5)  # what the log-in page says, and a moment


UNPACKED = 1000


def session_cookie(now: datetime) -> Finding:
    """A log-in as a browser sees it: its cookie has no date at which it would end (WC-3)."""
    cookie = probes.cookie_of_a_log_in(now=now)
    wrong = [name for name in ("max-age", "expires") if cookie is None or cookie[name]]
    return Finding.of(checked=1, violations=wrong)


def staying(now: datetime) -> Finding:
    """Every log-in that outlives its browser was asked for in a log entry of its own, by the same
    person, before; none lasts longer than asked; and the cookie is nothing but random (WC-4).

    Which log-ins outlive the browser is read from their own data, not only from the column that
    says so; from that of the newest thousand, for it has to be unpacked one by one.
    """
    rows = Session.objects.filter(persistent=True, expire_date__gt=now)
    violations = [
        f"not asked:{handle}" for handle in rows.filter(~_asked()).values_list("handle", flat=True)
    ]
    twice = rows.values("asked_id").annotate(n=Count("pk")).filter(n__gt=1).order_by()
    violations += [
        f"asked once for several:{asked}" for asked in twice.values_list("asked_id", flat=True)
    ]
    silent = Session.objects.filter(persistent=False, expire_date__gt=now, user__isnull=False)
    for session in silent.order_by("-created_at")[:UNPACKED]:
        if session.get_decoded().get("_session_expiry"):
            violations.append(f"not asked:{session.handle}")
    checked = rows.count() + min(silent.count(), UNPACKED)
    violations += [f"cookie: {wrong}" for wrong in probes.cookie_of_staying(now=now)]
    return Finding.of(checked=checked + 1, violations=violations)


def _asked() -> Exists:
    """A session's own entry in the log, by its owner, not after it began, for as long as it is."""
    entries = AuditEntry.objects.filter(
        pk=OuterRef("asked_id"),
        verb="accounts.stay-signed-in",
        actor_kind="person",
        subject_id=OuterRef("user__subject_id"),
        at__gte=OuterRef("expire_date") - LONGEST_STAY,
    )
    return Exists(entries)


declare(
    Control(
        key="accounts.session-cookie",
        sentence=_("The log-in cookie ends with the browser."),
        how=_("We log in as a browser does and read the cookie as sent. Nothing of it stays."),
        sort=Sort.PROBE,
        check=session_cookie,
    ),
    Control(
        key="accounts.staying",
        sentence=_("Only who asked for it stays signed in, and the cookie is a random number."),
        how=_(
            "Each log-in that outlives its browser must name an entry of the log in which the same "
            "person asked for it. Then we log in as a browser does, ask to stay, and look for "
            "name, address and password in the cookie, plain and in the usual disguises."
        ),
        sort=Sort.PROBE,
        check=staying,
    ),
)
