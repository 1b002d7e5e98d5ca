"""Staying signed in: only who ticked the box, and never without the tick on record (WC-4).

The tick is an entry of the log, written at that moment. The session carries its id, and the table
refuses a session that outlives the browser without one. What the browser holds is the same random
key as ever, only with a date; signing out, here or from the list of devices, ends it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.http import HttpRequest

from accounts.models import User
from accounts.sessions import ASKED, PERSISTENT, is_of
from audit.log import person, record

PERIOD = timedelta(days=14)
VERB = "accounts.stay-signed-in"


def ask(*, request: HttpRequest, user: User, now: datetime) -> bool:
    """Let this browser's log-in outlive the browser; False when there is no log-in of theirs."""
    if is_of(request.session) != user.pk:
        return False
    entry = record(
        actor=person(user.subject_id),
        verb=VERB,
        now=now,
        object=user,
        subject_id=user.subject_id,
        facts={"days": PERIOD.days},
    )
    request.session.set_expiry(round(PERIOD.total_seconds()))
    request.session[PERSISTENT] = True
    request.session[ASKED] = str(entry.pk)
    return True


def end_with_the_browser(request: HttpRequest) -> None:
    """Whatever was asked before in this browser: this log-in ends with it."""
    request.session.set_expiry(0)
    for name in (PERSISTENT, ASKED):
        request.session.pop(name, None)
