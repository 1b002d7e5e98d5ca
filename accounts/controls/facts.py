"""Nothing about anybody came from elsewhere than the policy and the person allow.

All of it is asked of the ledger, the log and the record of mail, in SQL of its own; what the policy
allowed on a day is read from the versions as published. Proofs end by rules, too: a fact older than
they are kept is counted and no longer judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.controls import fact_probe
from accounts.models import Fact
from audit.control import Control, Finding, Sort, declare
from datamap import registry
from policy.eras import Era, eras

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
SHOWN = frozenset({"text", "source", "origin", "contributor"})

# A member's fact: somebody else's event of handing it over, not after it. An outside one: the
# entry of its delivery, about the same person and from the same source.
WITHOUT_CAUSE = """
    SELECT f.id FROM accounts_fact f
    WHERE f.received_at >= %(since)s AND NOT (
        btrim(f.source) <> '' AND CASE f.origin
        WHEN 'member' THEN EXISTS (
            SELECT FROM consent_event e WHERE e.id = f.cause AND e.kind = 'collection'
            AND e.decision = 'submitted' AND e.fields @> '["accounts.fact.text"]'
            AND e.at <= f.received_at AND e.subject_id <> f.subject_id
            AND (f.contributor_id IS NULL OR f.contributor_id = e.subject_id))
        WHEN 'outside' THEN EXISTS (
            SELECT FROM audit_auditentry a WHERE a.id = f.cause
            AND a.verb = 'accounts.fact-delivered' AND a.at <= f.received_at
            AND a.subject_id = f.subject_id AND a.facts ->> 'source' = f.source)
        ELSE false END)
"""
# Past a month without a message about facts that reached the person's mailbox within it.
NOT_TOLD = """
    SELECT f.id FROM accounts_fact f
    WHERE f.received_at >= %(since)s AND f.received_at + interval '1 month' < %(now)s
    AND NOT EXISTS (
        SELECT FROM consent_message m WHERE m.id = f.announcement
        AND m.subject_id = f.subject_id AND m.template = 'account_facts_told'
        AND m.state = 'sent' AND m.sent_at >= f.received_at
        AND m.sent_at <= f.received_at + interval '1 month')
"""
# The last word of the person before the fact came in: it must be a yes.
WITHOUT_YES = """
    SELECT f.id FROM accounts_fact f
    LEFT JOIN LATERAL (
        SELECT e.decision FROM consent_event e
        WHERE e.subject_id = f.subject_id AND e.kind = 'purpose' AND e.key = 'contributed-facts'
        AND e.at <= f.received_at ORDER BY e.at DESC, e.id DESC LIMIT 1
    ) AS standing ON true
    WHERE f.received_at >= %(since)s AND f.received_at >= %(begins)s
    AND f.received_at < coalesce(%(ends)s, 'infinity'::timestamptz)
    AND coalesce(standing.decision, '') NOT IN ('given', 'renewed')
"""


def fact_sources(now: datetime) -> Finding:
    """WC-12, WA-8: a source, a prior event, told within a month, in the package."""
    known = eras(now)
    proofs = {"since": _kept_since(known, now, ("consent.event", "audit.entry"))}
    mail = {"since": _kept_since(known, now, ("consent.mail",)), "now": now}
    violations = [f"no cause:{row}" for row in _ids(WITHOUT_CAUSE, proofs)]
    violations += [f"not told:{row}" for row in _ids(NOT_TOLD, mail)]
    violations += [f"not in the package:{row}" for row in _hidden()]
    return Finding.of(checked=Fact.objects.count(), violations=violations)


def fact_permission(now: datetime) -> Finding:
    """WC-20: the person's setting at the time of each contribution, from its history.

    In the eras of a policy that lets members contribute, outside facts need the yes as well.
    """
    known = eras(now)
    since = _kept_since(known, now, ("consent.event",))
    found = [f"no policy:{row}" for row in _before_any(known)]
    for era in known:
        if era.document.features.contributed_facts:
            span = {"since": since, "begins": era.since, "ends": era.until}
            found += [f"no yes:{row}" for row in _ids(WITHOUT_YES, span)]
        else:
            members = _within(era).filter(origin=Fact.Origin.MEMBER)
            found += [f"not in the policy:{row}" for row in members.values_list("pk", flat=True)]
    return Finding.of(checked=Fact.objects.count(), violations=found)


def outside_sources(now: datetime) -> Finding:
    """CC-13: no fact from a source that the policy of its day does not name, and the API refuses
    one.
    """
    known = eras(now)
    found = [f"no policy:{row}" for row in _before_any(known)]
    for era in known:
        features = era.document.features
        strange = Q(origin=Fact.Origin.OUTSIDE) & ~Q(source__in=features.outside_sources)
        if not features.contributed_facts:
            strange |= ~Q(origin=Fact.Origin.OUTSIDE)
        rows = _within(era).filter(strange).values_list("pk", flat=True)
        found += [f"not in the policy:{row}" for row in rows]
    answer = fact_probe.undeclared_source(now=now)
    if answer != "refused":
        found.append(f"the API: {answer}")
    return Finding.of(checked=Fact.objects.count() + 1, violations=found)


def _within(era: Era) -> Any:
    rows = Fact.objects.filter(received_at__gte=era.since)
    return rows.filter(received_at__lt=era.until) if era.until else rows


def _before_any(known: list[Era]) -> list[Any]:
    """Facts taken when no version was in force."""
    rows = Fact.objects.filter(received_at__lt=known[0].since) if known else Fact.objects.all()
    return list(rows.values_list("pk", flat=True))


def _kept_since(known: list[Era], now: datetime, holdings: tuple[str, ...]) -> datetime:
    """From when on every proof of these kinds is still there, by the rules of all versions."""
    starts = [
        rule.period.last_start(now, zone=era.document.zone, holidays=era.document.site.holidays)
        for era in known
        for key in holdings
        for rule in era.document.rules_for(key)
    ]
    return max(starts, default=LONG_AGO)


def _hidden() -> Iterator[object]:
    """Facts that their person's package would leave out, wholly or in part."""
    holding = registry.holding("accounts.fact")
    columns = {p.name for p in holding.personal if not p.secret}
    rows = Fact.objects.all()
    if columns >= SHOWN and holding.model_class is Fact:
        found = rows.annotate(whose=F(holding.subject))
        rows = found.filter(Q(whose__isnull=True) | ~Q(whose=F("subject_id")))
    yield from rows.values_list("pk", flat=True)


def _ids(statement: str, values: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [row[0] for row in cursor.fetchall()]


declare(
    Control(
        key="accounts.fact-sources",
        sentence=_("Whatever others said about somebody has its source, and they were told."),
        how=_(
            "For every such fact we look up what came before it: the event in which somebody else "
            "handed it over, or the log's entry of its delivery. Within a month a mail about it "
            "must have been delivered, and it must be among what a copy of one's data holds."
        ),
        sort=Sort.QUERY,
        check=fact_sources,
    ),
    Control(
        key="accounts.fact-permission",
        sentence=_("Others add to a profile only while its owner lets them."),
        how=_(
            "For every fact that somebody else told, we look up the last decision of the person "
            "it is about before it came in. Without a yes it should not be there."
        ),
        sort=Sort.QUERY,
        check=fact_permission,
    ),
    Control(
        key="accounts.outside-sources",
        sentence=_("Nothing is taken from outside but what the policy names."),
        how=_(
            "Every fact from outside is compared with the sources that the policy of its day "
            "names. Then we let a program deliver one from a source that nobody named, and look "
            "whether it is refused. The trial is undone."
        ),
        sort=Sort.PROBE,
        check=outside_sources,
    ),
)
