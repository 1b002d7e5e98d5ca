"""One message per invited address, used for nothing else, and gone when its owner says so.

None of these checks asks `accounts.invitations`: messages are counted in the mail log, acceptances
in the audit log, and removing is tried out as a stranger does it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils.translation import gettext_lazy as _

from accounts.controls import invitation_probe
from audit.control import Control, Finding, Sort, declare
from consent.checks import approved_digests
from datamap.encryption import keyed_hashes
from policy import current
from policy.document import Document

# The keyed hash of an address is no evidence anybody should see: messages are named instead.
TWICE = """
    SELECT unnest((array_agg(id ORDER BY posted_at))[2:]) FROM consent_message
    WHERE category = 'invitation' AND state IN ('sending', 'sent', 'uncertain')
    GROUP BY address_hash HAVING count(*) > 1
"""
# A reward or a reminder would need other words than the approved ones.
OTHER_WORDS = """
    SELECT id FROM consent_message
    WHERE (category = 'invitation') <> (template = 'invitation')
       OR category = 'invitation' AND NOT template_digest = ANY(%(approved)s)
"""
# Whoever has an account here gave us the address themselves before; and who types an address into
# a form (a forgotten password, a request) gets the answer there.
OTHER_USE = """
    SELECT m.id FROM consent_message m
    WHERE m.category <> 'invitation'
      AND EXISTS (SELECT FROM consent_message i
                  WHERE i.category = 'invitation' AND i.address_hash = m.address_hash
                    AND i.posted_at <= m.posted_at)
      AND NOT EXISTS (SELECT FROM consent_event e
                      WHERE e.subject_id = m.subject_id AND e.kind = 'collection'
                        AND e.decision = 'submitted' AND e.at <= m.posted_at)
      AND NOT (m.subject_id IS NULL AND (
          m.category IN ('answer', 'staff')
          OR (m.category = 'account' AND m.template LIKE 'account\\_%%')))
"""
OVERDUE = "SELECT id FROM accounts_invitation WHERE invited_at <= %(last)s"
# Index audit_entry_verb.
COUNTS = """
    SELECT COALESCE(r.id, l.subject_id) FROM (
        SELECT id, inviter_id AS subject_id, day::text AS day, made, accepted
        FROM accounts_referral WHERE day >= %(since)s::date
    ) r FULL JOIN (
        SELECT a.subject_id, a.facts->>'day' AS day,
               count(*) FILTER (WHERE a.verb = 'accounts.invited') AS made,
               count(*) FILTER (WHERE a.verb = 'accounts.invitation-accepted') AS accepted
        FROM audit_auditentry a JOIN datamap_subject s
          ON s.id = a.subject_id AND s.erased_at IS NULL
        WHERE a.verb IN ('accounts.invited', 'accounts.invitation-accepted')
          AND a.at >= %(since)s::date - 2 AND a.facts->>'day' >= %(first_day)s
        GROUP BY 1, 2
    ) l ON (l.subject_id, l.day) = (r.subject_id, r.day)
    WHERE (COALESCE(r.made, 0), COALESCE(r.accepted, 0))
       <> (COALESCE(l.made, 0), COALESCE(l.accepted, 0))
"""
INVITED_ALL_THE_SAME = """
    SELECT i.id FROM accounts_invitation i JOIN accounts_suppression s USING (address_hash)
    UNION ALL
    SELECT m.id FROM consent_message m JOIN accounts_suppression s USING (address_hash)
    WHERE m.category = 'invitation'
      AND (m.sealed IS NOT NULL OR m.sent_at > s.removed_at) AND m.state <> 'refused'
"""
WITHOUT_KEY = "SELECT id FROM accounts_suppression WHERE NOT key_version = ANY(%(known)s)"
GRACE = timedelta(days=2)  # a sweep runs every day
COUNTED_FOR = timedelta(days=300)  # within the shortest life of what is compared


def one_email(now: datetime) -> Finding:
    """WC-9: in the mail log nobody's address has a second invitation, whoever made it."""
    found = _ids(TWICE) + _ids(OTHER_WORDS, approved=sorted(approved_digests()))
    sent = "consent_message WHERE category = 'invitation' AND sent_at IS NOT NULL"
    return Finding.of(checked=_count(sent), violations=found)


def nothing_else(now: datetime) -> Finding:
    """WC-10: no other message to an invited address, its hash ends in time, the counts stay."""
    document = current.fresh(now).document
    since = now - COUNTED_FOR
    day = since.astimezone(document.zone).date().isoformat()
    found = _ids(OTHER_USE) + _overdue(document, now)
    found += _ids(COUNTS, since=day, first_day=day)
    checked = _count("accounts_invitation") + _count("accounts_referral")
    return Finding.of(checked=checked, violations=found)


def removal(now: datetime) -> Finding:
    """WC-11: removing works for a stranger, leaves no trace, and stays in force."""
    known = sorted(keyed_hashes(""))
    found = [*_ids(INVITED_ALL_THE_SAME), *_ids(WITHOUT_KEY, known=known)]
    found += invitation_probe.removing(now=now)
    return Finding.of(checked=_count("accounts_suppression") + 1, violations=found)


def _overdue(document: Document, now: datetime) -> list[Any]:
    """Invitations whose period is over; all of them where the policy names none."""
    rules = document.rules_for("accounts.invitation")
    if not rules:
        return _ids(OVERDUE, last=now)
    holidays = document.site.holidays
    last = min(rule.period.last_start(now, zone=document.zone, holidays=holidays) for rule in rules)
    return _ids(OVERDUE, last=last - GRACE)


def _ids(statement: str, **parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [row[0] for row in cursor.fetchall()]


def _count(rows: str) -> int:
    return int(_ids(f"SELECT count(*) FROM {rows}")[0])  # noqa: S608  this module's own words


declare(
    Control(
        key="accounts.one-invitation",
        sentence=_("An invited address gets one message, and no second one."),
        how=_(
            "In the log of mail that left we count invitations per address, over everybody who "
            "invited it, and compare their text with the approved one."
        ),
        sort=Sort.QUERY,
        check=one_email,
    ),
    Control(
        key="accounts.invited-address-use",
        sentence=_("An invited address is used for its invitation and nothing else, and ends."),
        how=_(
            "No other message in the mail log went to such an address, unless its owner gave it "
            "to us; none is here past its period; and how many were invited and accepted is the "
            "same as in the log of what was done."
        ),
        sort=Sort.QUERY,
        check=nothing_else,
    ),
    Control(
        key="accounts.invitee-removal",
        sentence=_("Whoever was invited can have their address removed, without an account."),
        how=_(
            "We invite an address that cannot exist, press the link in the message as a stranger "
            "would, look for what is left, and invite it again. Nothing of that stays. And no "
            "address that was removed has an invitation."
        ),
        sort=Sort.PROBE,
        check=removal,
    ),
)
