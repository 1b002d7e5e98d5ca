"""Locked children, and their parents at each step."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from django.utils import timezone

from accounts import guardians
from accounts.age import learn_birth_date
from accounts.models import Guardianship, User
from audit.log import SYSTEM
from consent import mail
from consent.ledger import Shown
from consent.models import Message
from retention import children
from retention.models import ChildCase
from tests.factories.retention import make_person

PARENT = "parent@example.com"
WORDS = Shown("May we?", surface="guardian")


def locked_child(name: str = "kim", *, now: datetime | None = None, born_year: int = 2016) -> User:
    """Somebody who turned out to be a child a moment ago, with an open case."""
    now = now or timezone.now()
    user = make_person(name, now=now - timedelta(days=3))
    learn_birth_date(
        subject=user.subject,
        born_on=date(born_year, 5, 5),
        source="other",
        actor=SYSTEM,
        now=now,
    )
    return user


def case_of(user: User) -> ChildCase:
    """The child's newest case."""
    return ChildCase.objects.filter(subject=user.subject).latest("learned_at")


def asked(user: User, *, now: datetime, address: str = PARENT) -> Guardianship:
    """The child named a parent."""
    children.ask_parent(case_id=case_of(user).pk, address=address, now=now)
    return Guardianship.objects.get(subject=user.subject)


def agreed(
    user: User, *, now: datetime, disclosure: bool = False, address: str = PARENT
) -> Guardianship:
    """The parent said yes."""
    row = asked(user, now=now, address=address)
    return guardians.agree(
        guardianship_id=row.pk,
        method="call",
        contact="+1 202 555 0143, evenings",
        disclosure=disclosure,
        shown=WORDS,
        now=now,
    )


def verified(
    user: User, reviewer: User, *, now: datetime, disclosure: bool = False, address: str = PARENT
) -> Guardianship:
    """Staff made sure of it."""
    row = agreed(user, now=now, disclosure=disclosure, address=address)
    children.verify_parental_consent(
        case_id=case_of(user).pk, method="call", reason="Called", decider=reviewer, now=now
    )
    row.refresh_from_db()
    return row


def link_to(row: Guardianship) -> str:
    """The path in the newest mail to the parent that has a link."""
    found = re.search(r"https?://[^/\s]+(/guardians/[\w-]+/)", _newest(row, "guardian_asked"))
    later = re.search(r"https?://[^/\s]+(/guardians/[\w-]+/)", _newest(row, "guardian_verified"))
    match = later or found
    assert match is not None
    return match[1]


def code_for(row: Guardianship) -> str:
    """The code in the newest mail with one."""
    found = re.search(r"(?m)^(\d{4} \d{4})$", _newest(row, "guardian_code"))
    assert found is not None
    return found[1]


def token_of(path: str) -> str:
    """The token in a parent's link."""
    return path.strip("/").rpartition("/")[2]


def _newest(row: Guardianship, template: str) -> str:
    message = Message.objects.filter(subject=row.guardian, template=template)
    newest = message.order_by("posted_at", "id").last()
    return mail.text_of(newest) if newest else ""
