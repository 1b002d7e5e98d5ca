"""What is due: the rules of the policy, each version for the data collected under it.

A datum stays under the version in force when its clock began. A later version that is stricter
binds it, too, once it binds older data (`older_data_at`); one that is more generous does not. So a
row is due as soon as the shortest period that binds it is over.

All of this becomes ranges of clock values, so that a table is asked by index and never row by row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from audit.append_only import expiries
from datamap import registry
from datamap.holding import Erasing, Holding
from policy.document import Document, RetentionRule
from policy.models import PolicyVersion
from retention.dependents import Manners, Undeletable, dependents, unreferenced_by_due

_TICK = timedelta(microseconds=1)  # Postgres' resolution


@dataclass(frozen=True)
class Due:
    """Rows of a holding whose clock lies in [since, until] and what happens to them.

    since: None means from the beginning. The digests name the rule and version that bind.
    """

    holding: str
    clock: str
    action: str
    since: datetime | None
    until: datetime
    rule_digest: str
    policy_digest: str


def published(now: datetime) -> list[PolicyVersion]:
    """The versions that have been in force up to `now`, oldest first."""
    found: list[PolicyVersion] = []
    for version in PolicyVersion.objects.filter(effective_at__lte=now).order_by(
        "effective_at", "number"
    ):
        if found and version.number < found[-1].number:
            continue  # a later publication had already taken its place
        if found and version.effective_at == found[-1].effective_at:
            found.pop()
        found.append(version)
    return found


def due(*, now: datetime, versions: Sequence[PolicyVersion]) -> list[Due]:
    """Everything the versions say about `now`, as ranges; `versions` as from `published`."""
    kinds = {
        (rule.holding, rule.clock, rule.action): None
        for version in versions
        for rule in version.document.retention
    }
    return [one for kind in sorted(kinds) for one in _ranges(kind, now=now, versions=versions)]


def digest(rule: RetentionRule) -> str:
    """SHA-256 of a rule's canonical form, in hex: names the rule in audit entries."""
    return hashlib.sha256(rule.model_dump_json().encode()).hexdigest()


def refusals(document: Document) -> dict[int, str]:
    """Place of a rule in the document → why this installation could not carry it out."""
    found = {}
    for place, rule in enumerate(document.retention):
        why = refusal(
            key=rule.holding, clock=rule.clock, action=rule.action, ruled=ruled(document)
        ) or _too_early(rule)
        if why:
            found[place] = why
    return found


def ruled(document: Document) -> frozenset[str]:
    """Holdings whose rows end by a rule of their own."""
    return frozenset(rule.holding for rule in document.retention)


def manners(holding: Holding, ruled: frozenset[str]) -> Manners:
    """How far deleting rows of this holding may go."""
    return Manners(unreferenced=unreferenced_by_due(holding), ruled=ruled)


def refusal(*, key: str, clock: str, action: str, ruled: frozenset[str]) -> str:
    """Why this action can't be carried out on the holding, in words; empty when it can."""
    try:
        holding = registry.holding(key)
    except registry.UnknownHolding as error:
        return str(error)
    expiry = expiries().get(holding.model_class)
    if clock not in holding.clocks:
        known = ", ".join(sorted(holding.clocks)) or "none"
        return f"the holding has no clock {clock!r}; it has: {known}"
    if action == "archive":
        return "there is no archive yet; write 'delete' or 'anonymise'"
    if expiry is not None:
        return "" if action != "erase" else "the log does not erase people; write 'delete'"
    if action == "anonymise" and all(map(callable, holding.blank.values())):
        return "nothing says what its rows look like without the person; write 'delete'"
    if action == "erase" and holding.erasing is Erasing.KEEP:
        return "its rows outlive the person; write 'delete'"
    if action == "delete":
        try:
            dependents(holding.model_class, manners(holding, ruled))
        except Undeletable as error:
            return str(error)
    return ""


def _too_early(rule: RetentionRule) -> str:
    """An append-only table's own floor, under which its function refuses rows."""
    expiry = expiries().get(registry.holding(rule.holding).model_class)
    if expiry is None or rule.period.rough() > expiry.floor:
        return ""
    return f"its rows stay {expiry.floor.days} days at least; write a longer period"


def _ranges(
    kind: tuple[str, str, str], *, now: datetime, versions: Sequence[PolicyVersion]
) -> list[Due]:
    """The due ranges of one holding, clock and action; neighbours become one."""
    found: list[Due] = []
    for place, version in enumerate(versions):
        begins = version.effective_at if place else None
        ends = versions[place + 1].effective_at - _TICK if place + 1 < len(versions) else None
        later = [v for v in versions[place + 1 :] if v.older_data_at <= now]
        cutoff = _latest([version, *later], kind=kind, now=now)
        if cutoff is None:
            continue
        until = cutoff.until if ends is None else min(cutoff.until, ends)
        if begins is not None and until < begins:
            continue
        if found and begins is not None and found[-1].until == begins - _TICK:
            found[-1] = replace(cutoff, since=found[-1].since, until=until)
        else:
            found.append(replace(cutoff, since=begins, until=until))
    return found


def _latest(
    versions: Sequence[PolicyVersion], *, kind: tuple[str, str, str], now: datetime
) -> Due | None:
    """The strictest of these versions: the one whose period lets go the latest start."""
    found: Due | None = None
    for version in versions:
        document = version.document
        for rule in document.retention:
            if (rule.holding, rule.clock, rule.action) != kind:
                continue
            until = rule.period.last_start(now, zone=document.zone, holidays=document.site.holidays)
            if found is None or until > found.until:
                found = Due(*kind, None, until, digest(rule), version.digest)
    return found
