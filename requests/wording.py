"""Times, amounts, addresses and notices in the words people read, in the active language."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext


def moment(at: datetime, zone: ZoneInfo) -> str:
    """An instant on the operator's clock: 20 Nov 2026, 10:09."""
    return date_format(localtime(at, zone), "j M Y, H:i")


def day(at: datetime, zone: ZoneInfo) -> str:
    """The day of an instant in the operator's calendar: 20 November 2026."""
    return date_format(localtime(at, zone), "j F Y")


def span(length: timedelta) -> str:
    """A length of time in its largest fitting unit: 6 days, 5 hours, 3 minutes."""
    if length >= timedelta(days=2):
        n = length.days
        return ngettext("%(n)d day", "%(n)d days", n) % {"n": n}
    if length >= timedelta(hours=2):
        n = int(length.total_seconds() // 3600)
        return ngettext("%(n)d hour", "%(n)d hours", n) % {"n": n}
    n = max(1, int(length.total_seconds() // 60))
    return ngettext("%(n)d minute", "%(n)d minutes", n) % {"n": n}


def amount(number: int) -> str:
    """A number with its thousands apart: 41 000 (ISO 80000-1 7.3.1)."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def masked(address: str) -> str:
    """j•••@example.com"""
    local, _at, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"


def copies_notice() -> str:
    """What people are told about copies nobody here controls, in the active language (WC-7)."""
    return _(
        "Copies of what you published may remain elsewhere: in the caches of search engines, in "
        "web archives, and with people who saved them. We can't delete those. Our own pages tell "
        "search engines and archives not to keep copies."
    )
