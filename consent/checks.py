"""Checks of this room's controls: SQL of their own over ledger and mail log, and policy files.

None of them asks `ledger.may`, the current rows or the gate: what counts is which event was the
last one at an instant. A missing event, version or text is a violation. Few combinations of words
and policy versions exist, so those are judged here and the many rows are compared in the database.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from audit.control import Finding
from consent.words import digest_of
from policy import current
from policy.document import Document

# A message whose recipient's server is slow may take its time to leave, but not longer.
LATE = timedelta(hours=24)
# sha256sum's format; older digests of a template stay, for messages made from it do, too.
APPROVED = Path(settings.BASE_DIR) / "templates" / "mail" / "approved.sha256"
PULLS_IN = re.compile(r"\{%\s*(include|extends|block)\b")

TRANSFER_WORDS = """
    SELECT DISTINCT e.policy_digest, w.digest, w.locale, w.text
    FROM consent_event e JOIN consent_words w ON w.digest = e.words_digest
    WHERE e.kind = 'transfer' AND e.key = %(key)s
"""
# Index consent_event_choice finds each person's last event.
TRANSFER = """
    SELECT s.id, e.decision, e.at
    FROM datamap_subject s
    LEFT JOIN LATERAL (
        SELECT decision, at, policy_digest, words_digest FROM consent_event
        WHERE subject_id = s.id AND kind = 'transfer' AND key = %(key)s AND at <= %(now)s
        ORDER BY at DESC LIMIT 1
    ) e ON true
    WHERE s.erased_at IS NULL AND s.created_at <= %(now)s AND NOT COALESCE(
        e.decision IN ('given', 'renewed')
        AND (e.policy_digest, e.words_digest) IN (
            SELECT * FROM unnest(%(policies)s::text[], %(words)s::text[])
        ), false)
"""
VOLUNTARY = """
    SELECT m.id
    FROM consent_message m
    LEFT JOIN LATERAL (
        SELECT decision FROM consent_event
        WHERE subject_id = m.subject_id AND kind = 'mail' AND key = m.category
          AND at <= m.sent_at
        ORDER BY at DESC LIMIT 1
    ) e ON true
    LEFT JOIN LATERAL (
        SELECT digest FROM policy_policyversion
        WHERE effective_at <= m.sent_at ORDER BY number DESC LIMIT 1
    ) v ON true
    LEFT JOIN unnest(%(policies)s::text[], %(categories)s::text[], %(bases)s::text[])
        AS c (policy, category, basis) ON c.policy = v.digest AND c.category = m.category
    WHERE m.category NOT IN ('account', 'answer', 'staff', 'invitation')
      AND m.state IN ('sending', 'sent', 'uncertain')
      AND NOT COALESCE(c.basis IS NOT NULL AND (
          e.decision IN ('given', 'renewed')
          OR (e.decision IS NULL AND c.basis = 'opt-out')), false)
"""
# While two subjects are held for one person, a no under one counts for both.
ELSEWHERE = """
    WITH RECURSIVE link (id, other, since, until) AS (
        SELECT kept_id, merged_id, merged_at, COALESCE(undone_at, 'infinity')
        FROM datamap_subjectmerge
        UNION ALL
        SELECT merged_id, kept_id, merged_at, COALESCE(undone_at, 'infinity')
        FROM datamap_subjectmerge
    ), pair (id, other, since, until) AS (
        SELECT id, other, since, until FROM link
        UNION
        SELECT pair.id, link.other, GREATEST(pair.since, link.since),
               LEAST(pair.until, link.until)
        FROM pair JOIN link ON link.id = pair.other
        WHERE GREATEST(pair.since, link.since) < LEAST(pair.until, link.until)
    )
    SELECT DISTINCT m.id
    FROM consent_message m
    JOIN pair p ON p.id = m.subject_id AND p.since <= m.sent_at AND m.sent_at < p.until
    CROSS JOIN LATERAL (
        SELECT decision FROM consent_event
        WHERE subject_id = p.other AND kind = 'mail' AND key = m.category AND at <= m.sent_at
        ORDER BY at DESC LIMIT 1
    ) e
    WHERE m.category NOT IN ('account', 'answer', 'staff', 'invitation')
      AND m.state IN ('sending', 'sent', 'uncertain')
      AND e.decision NOT IN ('given', 'renewed')
"""
ACCOUNT = """
    SELECT id FROM consent_message
    WHERE category = 'account' AND (
        NOT template_digest = ANY(%(approved)s)
        OR state IN ('refused', 'uncertain')
        OR (state = 'failed' AND failure NOT LIKE 'smtp-5%%')
        OR (state IN ('queued', 'sending') AND posted_at < %(late)s))
"""
SUBMISSIONS = """
    SELECT DISTINCT policy_digest, key, fields::text FROM consent_event
    WHERE kind = 'collection' AND decision = 'submitted'
"""
COLLECTION = """
    SELECT s.id FROM datamap_subject s
    WHERE s.email IS NOT NULL AND s.erased_at IS NULL AND NOT EXISTS (
        SELECT FROM consent_event e
        WHERE e.subject_id = s.id AND e.kind = 'collection' AND e.decision = 'submitted'
          AND e.at <= s.created_at
          AND (e.policy_digest, e.key, e.fields::text) IN (
              SELECT * FROM unnest(%(policies)s::text[], %(points)s::text[], %(fields)s::text[])
          ))
"""


def transfer(now: datetime) -> Finding:
    """WC-13: everybody's last event on each asked transfer is a yes to that day's question.

    Somebody who took the yes back is on the way out: a violation once the policy's period for
    deletions is over and they are still there.
    """
    document = current.fresh(now).document
    asked = [t.key for t in document.transfers if t.mechanism == "explicit consent"]
    leaving, violations = 0, []
    for key in asked:
        good = [row[:2] for row in _rows(TRANSFER_WORDS, key=key) if _holds_question(key, *row)]
        policies, words = [policy for policy, _ in good], [digest for _, digest in good]
        for who, decision, at in _rows(TRANSFER, key=key, now=now, policies=policies, words=words):
            if decision == "withdrawn" and now <= _gone_by(document, at):
                leaving += 1
            else:
                violations.append(who)
    people = _count("datamap_subject WHERE erased_at IS NULL AND created_at <= %(now)s", now=now)
    return Finding.of(checked=people * len(asked), violations=violations, leaving=leaving)


def voluntary_mail(now: datetime) -> Finding:
    """WC-18, WI-1, CC-12: ledger and policy let every such message go at the instant it left."""
    bases = {
        (version.digest, category.key, category.basis)
        for version in current.versions()
        for category in version.document.mail_categories
    }
    policies, categories, basis = ([row[i] for row in bases] for i in range(3))
    rows = _rows(VOLUNTARY, policies=policies, categories=categories, bases=basis)
    unwanted = {row[0] for row in [*rows, *_rows(ELSEWHERE)]}
    left = _count(
        "consent_message WHERE category NOT IN ('account', 'answer', 'staff', 'invitation') "
        "AND state IN ('sending', 'sent', 'uncertain')"
    )
    return Finding.of(checked=left, violations=sorted(unwanted))


def account_mail(now: datetime) -> Finding:
    """WC-21, CC-30: all due account mail left, from approved texts without an offer.

    A recipient's server that turns mail away for good (an address that does not exist) is no
    fault of the site's; how often that happened is a figure.
    """
    rows = _rows(ACCOUNT, approved=sorted(approved_digests()), late=now - LATE)
    turned_away = "consent_message WHERE category = 'account' AND failure LIKE 'smtp-5%%'"
    return Finding.of(
        checked=_count("consent_message WHERE category = 'account'"),
        violations=[row[0] for row in rows],
        turned_away=_count(f"{turned_away} AND state = 'failed'"),
    )


def collection(now: datetime) -> Finding:
    """WA-1, WD-5: whoever's address we hold handed it over before, at a declared point."""
    good = [row for row in _rows(SUBMISSIONS) if _is_declared(*row)]
    policies, points, fields = ([row[i] for row in good] for i in range(3))
    rows = _rows(COLLECTION, policies=policies, points=points, fields=fields)
    people = _count("datamap_subject WHERE email IS NOT NULL AND erased_at IS NULL")
    return Finding.of(checked=people, violations=[row[0] for row in rows])


def approved_digests() -> frozenset[str]:
    """Digests of mail templates somebody read and approved as free of offers.

    A template that pulls in other files is not approved, whatever the list says: its digest
    would not cover its words.
    """
    lines = APPROVED.read_text().splitlines() if APPROVED.exists() else []
    pairs = [line.split("  ", 1) for line in lines if line]
    return frozenset(digest for digest, name in pairs if not _pulls_in(APPROVED.parent / name))


def digest_of_file(path: Path) -> str:
    """The digest messages made from this template carry."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _pulls_in(path: Path) -> bool:
    return path.exists() and PULLS_IN.search(path.read_text()) is not None


def _rows(statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _count(table_and_condition: str, **parameters: Any) -> int:
    """How many rows of a table, given in this module's own words."""
    statement = f"SELECT count(*) FROM {table_and_condition}"  # noqa: S608  constants of ours
    return int(_rows(statement, **parameters)[0][0])


def _holds_question(key: str, policy: str, digest: str, locale: str, text: str) -> bool:
    """Whether stored words are intact and hold the question that version asked."""
    document = _document(policy)
    asked = document.transfer(key) if document else None
    intact = digest_of(text=text, locale=locale) == digest
    return asked is not None and intact and _flat(asked.ask) in _flat(text)


def _gone_by(document: Document, withdrawn_at: datetime) -> datetime:
    rule = document.request_rule("deletion")
    if rule is None:
        return withdrawn_at
    return rule.deadline.after(withdrawn_at, zone=document.zone, holidays=document.site.holidays)


def _is_declared(policy: str, point: str, fields: str) -> bool:
    """Whether that version has such a point, and it names the fields, an address among them."""
    document = _document(policy)
    declared = document.collection_point(point) if document else None
    if declared is None:
        return False
    named = set(json.loads(fields))
    allowed = {*declared.required, *declared.optional}
    return named <= allowed and any(name.endswith(".email") for name in named)


def _document(digest: str) -> Document | None:
    """The contents of the version with this digest, as published."""
    version = next((v for v in current.versions() if v.digest == digest), None)
    return version.document if version else None


def _flat(text: str) -> str:
    return " ".join(text.split())
