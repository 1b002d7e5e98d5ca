"""The audit log: `record(...)` writes an entry in the transaction of what it tells about.

The leaf format is final, for sealed digests must stay comparable for ever:

    leaf = SHA-256(0x00 ‖ canonical)            RFC 6962 2.1
    canonical = JSON, UTF-8, keys sorted, no spaces, of
        {"format": "kept-audit-1", "id", "at" (UTC, microseconds, Z), "actor_kind", "actor_id",
         "verb", "object_type", "object_id", "subject_id", "facts"}
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from django.db import models, transaction

from audit.models import AuditEntry, Unsealed

FORMAT = "kept-audit-1"
Fact: TypeAlias = str | int | float | bool | list[Any] | dict[str, Any] | None


@dataclass(frozen=True)
class Actor:
    """Who acts: a person on their own data, staff, the system, a visitor nobody knows."""

    kind: AuditEntry.ActorKind
    id: uuid.UUID | None = None


SYSTEM = Actor(AuditEntry.ActorKind.SYSTEM)
VISITOR = Actor(AuditEntry.ActorKind.VISITOR)


def person(subject_id: uuid.UUID) -> Actor:
    """A person who acts for themselves, named by their subject's id."""
    return Actor(AuditEntry.ActorKind.PERSON, subject_id)


def staff(user_id: uuid.UUID) -> Actor:
    """A member of staff, named by their user's id."""
    return Actor(AuditEntry.ActorKind.STAFF, user_id)


def record(
    *,
    actor: Actor,
    verb: str,
    now: datetime,
    object: models.Model | None = None,
    subject_id: uuid.UUID | None = None,
    facts: Mapping[str, Fact] | None = None,
) -> AuditEntry:
    """Write one entry and queue it for sealing, in the caller's transaction.

    verb: `room.past-tense`, such as `requests.approved`.
    facts: ids and figures only; personal data is never written here.
    """
    entry = AuditEntry(
        at=now,
        actor_kind=actor.kind,
        actor_id=actor.id,
        verb=verb,
        object_type=object._meta.label_lower if object is not None else "",
        object_id=str(object.pk) if object is not None else "",
        subject_id=subject_id,
        facts=dict(facts or {}),
    )
    entry.leaf = leaf(entry)
    with transaction.atomic():
        entry.save(force_insert=True)
        Unsealed(entry=entry).save(force_insert=True)
    return entry


def record_many(entries: list[AuditEntry]) -> None:
    """Write many prepared entries in two statements, for batch work; leaves are computed here."""
    for entry in entries:
        entry.leaf = leaf(entry)
    with transaction.atomic():
        AuditEntry.objects.bulk_create(entries)
        Unsealed.objects.bulk_create([Unsealed(entry=entry) for entry in entries])


def leaf(entry: AuditEntry) -> bytes:
    """The entry's digest as a leaf of the Merkle tree (RFC 6962 2.1)."""
    return hashlib.sha256(b"\x00" + canonical(entry)).digest()


def canonical(entry: AuditEntry) -> bytes:
    """The bytes an entry's digest is taken of; see the module's head."""
    at = entry.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    parts = {
        "format": FORMAT,
        "id": str(entry.id),
        "at": at,
        "actor_kind": str(entry.actor_kind),
        "actor_id": str(entry.actor_id) if entry.actor_id else None,
        "verb": entry.verb,
        "object_type": entry.object_type,
        "object_id": entry.object_id,
        "subject_id": str(entry.subject_id) if entry.subject_id else None,
        "facts": entry.facts,
    }
    return json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
