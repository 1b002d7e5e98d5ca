"""Whoever works with people's data is bound to secrecy and trained.

Read from the audit log, which nobody can change, not from the tables that open the doors.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils.translation import gettext_lazy as _

from accounts.models import StaffMember
from audit.control import Control, Finding, Sort, declare
from policy.eras import eras

BEGIN_WITHIN = timedelta(days=14)  # a role nobody has used by then is taken back
READINGS = timedelta(days=30)  # the readings that one evaluation looks at
BOUND_ROLES = ("processor", "trusted party")


@dataclass(frozen=True)
class Duty:
    """verb: of the entries that prove it. by: SQL for who must have acted, `e` the entry, `u` the
    member's user.
    """

    verb: str
    by: str


UNDERTAKING = Duty("accounts.undertaking-signed", "e.actor_id = u.subject_id")
TRAINING = Duty(
    "accounts.training-recorded",
    "(e.actor_id IS NULL OR e.actor_id NOT IN (u.id, u.subject_id))",
)
# Entries that prove the duty of user `u` at an instant.
PROOF = (
    "SELECT FROM audit_auditentry e WHERE e.verb = %(verb)s AND e.subject_id = u.subject_id"
    " AND e.at <= {at} AND (e.facts->>'until')::timestamptz > {at} AND {by}"
)
# Members without proof today, and whether they ever acted in their present role.
UNBOUND = (
    "SELECT u.id, m.since, EXISTS (SELECT FROM audit_staffaccess a WHERE a.staff_id = u.id"
    " AND a.at >= m.since) OR EXISTS (SELECT FROM audit_auditentry d WHERE d.actor_kind = 'staff'"
    " AND d.actor_id = u.id AND d.at >= m.since)"
    " FROM accounts_staffmember m JOIN accounts_user u ON u.id = m.user_id"
    " WHERE NOT EXISTS ({proof}) ORDER BY u.id"
)
# Readings of the last days whose reader was not bound at that instant.
READ = (
    "SELECT a.id FROM audit_staffaccess a JOIN accounts_user u ON u.id = a.staff_id"
    " WHERE a.at > %(from)s AND a.at <= %(now)s AND NOT EXISTS ({proof}) ORDER BY a.id"
)


def undertakings(now: datetime) -> Finding:
    """Nobody with a role, and no processor or trusted party, without an undertaking (CC-16)."""
    found, checked, waiting = _unproved(UNDERTAKING, now)
    known = eras(now)
    recipients = known[-1].document.recipients if known else []
    bound = [each for each in recipients if each.role in BOUND_ROLES]
    found += [f"recipient {each.key}" for each in bound if not each.agreement]
    return Finding.of(
        checked=checked + len(bound), violations=found, staff=checked, not_begun=waiting
    )


def training(now: datetime) -> Finding:
    """Nobody with a role without training in force that somebody else wrote down (CC-21)."""
    found, checked, waiting = _unproved(TRAINING, now)
    return Finding.of(checked=checked, violations=found, staff=checked, not_begun=waiting)


def _unproved(duty: Duty, now: datetime) -> tuple[list[str], int, int]:
    """What breaks the promise, how many people have a role, and how many have not begun."""
    values: dict[str, Any] = {"verb": duty.verb, "now": now, "from": now - READINGS}
    found, waiting = [], 0
    with connection.cursor() as cursor:
        cursor.execute(UNBOUND.format(proof=PROOF.format(at="%(now)s", by=duty.by)), values)
        for user_id, since, has_acted in cursor.fetchall():
            # Somebody appointed just now opens nothing before they have signed.
            if not has_acted and since > now - BEGIN_WITHIN:
                waiting += 1
            else:
                found.append(f"staff {user_id}")
        cursor.execute(READ.format(proof=PROOF.format(at="a.at", by=duty.by)), values)
        found += [f"reading {pk}" for (pk,) in cursor.fetchall()]
    return found, StaffMember.objects.count(), waiting


declare(
    Control(
        key="accounts.undertakings",
        sentence=_("Everybody who works with people's data has bound themselves to secrecy."),
        how=_(
            "For each member of the staff, and for each time one of them opened somebody's data in "
            "the last 30 days, the log must show an undertaking they signed themselves and that "
            "had not ended. Who was appointed less than two weeks ago and has opened nothing yet "
            "is only counted. For companies that work for us, the policy must demand an agreement."
        ),
        sort=Sort.QUERY,
        check=undertakings,
    ),
    Control(
        key="accounts.training",
        sentence=_("Everybody who works with people's data is trained."),
        how=_(
            "For each member of the staff, and for each time one of them opened somebody's data in "
            "the last 30 days, the log must show training that somebody else wrote down and that "
            "still counted. Who was appointed less than two weeks ago and has opened nothing yet "
            "is only counted."
        ),
        sort=Sort.QUERY,
        check=training,
    ),
)
