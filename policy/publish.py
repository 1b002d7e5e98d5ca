"""Publishing a policy file: all of it or nothing, one publication at a time.

When the new version takes effect follows from the notice rule people live under until then, the
one in force, not from the rule the new file brings: otherwise a file could shorten its own notice.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

from django.db import connection, transaction

from audit import log
from audit.log import Actor
from policy import current, signals
from policy.difference import Change, difference
from policy.document import Document
from policy.lines import locate, nearest
from policy.models import PolicyVersion
from policy.reading import PolicyError, Problem, read

_LOCK = "policy.publish"


@dataclass(frozen=True)
class Plan:
    """What publishing would do. identical: the file is the version published last."""

    document: Document
    digest: str
    identical: bool
    base: PolicyVersion | None
    changes: tuple[Change, ...]
    effective_at: datetime
    older_data_at: datetime

    @property
    def material(self) -> bool:
        """Whether anything changes that people must be told about first."""
        return any(change.material for change in self.changes)


@dataclass(frozen=True)
class PublishResult:
    """created is False when the file was the one published last, and nothing was done."""

    version: PolicyVersion
    created: bool
    changes: tuple[Change, ...]
    material: bool


def plan(*, source: bytes, filename: str, now: datetime) -> Plan:
    """Check the file and work out what it changes. Raises `PolicyError`."""
    document = read(source, filename=filename, today=now.date())
    digest = hashlib.sha256(source).hexdigest()
    newest = PolicyVersion.objects.order_by("-number").first()
    if newest is not None and newest.digest == digest:
        at = newest.effective_at
        return Plan(document, digest, True, newest, (), at, newest.older_data_at)
    _refuse_used_label(document, digest, source, filename)
    base = PolicyVersion.objects.filter(effective_at__lte=now).order_by("-number").first()
    if base is None:
        return Plan(document, digest, False, None, (), now, now)
    changes = tuple(difference(base.document, document))
    material = any(change.material for change in changes)
    effective_at, older_data_at = _when(base.document, material=material, now=now)
    return Plan(document, digest, False, base, changes, effective_at, older_data_at)


def publish(*, source: bytes, filename: str, actor: Actor, now: datetime) -> PublishResult:
    """Store the file as a new immutable version, unless it is the one published last.

    Sends `policy.signals.published` and writes the audit entry `policy.published` in the same
    transaction. Raises `PolicyError` with every mistake; then nothing has changed.
    """
    result = _publish(source=source, filename=filename, actor=actor, now=now)
    # Also inside a caller's transaction, where the commit is still to come.
    current.forget()
    return result


@transaction.atomic
def _publish(*, source: bytes, filename: str, actor: Actor, now: datetime) -> PublishResult:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [_LOCK])
    planned = plan(source=source, filename=filename, now=now)
    newest = PolicyVersion.objects.order_by("-number").first()
    if planned.identical and newest is not None:
        return PublishResult(newest, False, (), newest.material)
    version = _store(planned, source=source, filename=filename, actor=actor, now=now, after=newest)
    facts: dict[str, log.Fact] = {
        "digest": version.digest,
        "number": version.number,
        "changes": len(planned.changes),
        "material": version.material,
    }
    log.record(actor=actor, verb="policy.published", object=version, now=now, facts=facts)
    transaction.on_commit(current.forget)
    signals.published.send(
        sender=PolicyVersion, version=version, material=version.material, now=now
    )
    return PublishResult(version, True, planned.changes, planned.material)


def _store(
    planned: Plan,
    *,
    source: bytes,
    filename: str,
    actor: Actor,
    now: datetime,
    after: PolicyVersion | None,
) -> PolicyVersion:
    return PolicyVersion.objects.create(
        number=after.number + 1 if after else 1,
        site=planned.document.site.key,
        version=planned.document.release.version,
        released_on=planned.document.release.date,
        digest=planned.digest,
        filename=PurePath(filename).name[:200],
        source=source.decode(),
        published_at=now,
        effective_at=planned.effective_at,
        older_data_at=planned.older_data_at,
        published_by_kind=actor.kind,
        published_by=actor.id,
        compared_with=planned.base,
        changes=[change.as_json() for change in planned.changes],
        material=planned.material,
    )


def _when(base: Document, *, material: bool, now: datetime) -> tuple[datetime, datetime]:
    """When the change binds new data, and when older data (CC-31)."""
    rule = base.notice
    if not material or rule.applies == "at once" or rule.period is None:
        return now, now
    end = rule.period.after(now, zone=base.zone, holidays=base.site.holidays)
    return (now if rule.applies.startswith("new data") else end), end


def _refuse_used_label(document: Document, digest: str, source: bytes, filename: str) -> None:
    """One label names one text for ever, or a link to a version would lie."""
    label = document.release.version
    used = PolicyVersion.objects.filter(site=document.site.key, version=label)
    if not used.exclude(digest=digest).exists():
        return
    line = nearest(locate(source.decode()), ("release", "version"))
    message = f"Version {label!r} was published before with other words."
    fix = "Give this one a version of its own, and its date."
    raise PolicyError([Problem(filename, line, "release.version", message, fix)])
