"""What stands beside the data: who answers for it and by which policy, as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from policy import vocabulary
from policy.document import Document, Purpose, Recipient
from requests.package.columns import Column, Form
from requests.package.kinds import Kind

FORMAT: Final = "kept-package"
VERSION: Final = 1


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be built: whose package, under which policy, in which language, at what time."""

    subject_id: UUID
    document: Document
    language: str
    now: datetime


def of_package(order: Order, per_kind: Mapping[str, int]) -> dict[str, Any]:
    """The head of data.json; docs/package.md describes every name."""
    document = order.document
    controller = document.controller
    return {
        "format": FORMAT,
        "version": VERSION,
        "created_at": order.now.astimezone(UTC).isoformat(timespec="seconds"),
        "language": order.language,
        "time_zone": document.site.time_zone,
        "site": {"key": document.site.key, "name": document.site.name},
        "controller": {
            "name": controller.name,
            "address": controller.address,
            "country": controller.country,
            "email": controller.email,
            "phone": controller.phone,
        },
        "policy": {
            "version": document.release.version,
            "released_on": document.release.date.isoformat(),
        },
        "subject": str(order.subject_id),
        "rows": sum(per_kind.values()),
        "requests": [
            {"kind": rule.kind, "title": str(vocabulary.REQUESTS[rule.kind])}
            for rule in document.requests
        ],
        "transfers": [
            {
                "key": transfer.key,
                "title": transfer.title,
                "country": transfer.country,
                "safeguard": str(vocabulary.MECHANISMS[transfer.mechanism]),
            }
            for transfer in document.transfers
        ],
    }


def of_kind(kind: Kind, rows: int) -> dict[str, Any]:
    """The head of one kind of data."""
    return {
        "key": kind.key,
        "title": kind.title,
        "about": kind.about or None,
        "count": rows,
        "categories": kind.categories,
        "sources": kind.sources,
        "purposes": [_purpose(purpose) for purpose in kind.purposes],
        "recipients": [_recipient(recipient) for recipient in kind.recipients],
        "periods": list(kind.periods),
        "ground": kind.ground
        and {
            "key": kind.ground.key,
            "title": kind.ground.title,
            "text": kind.ground.text,
            "at_most": vocabulary.period(kind.ground.maximum),
        },
        "fields": [_field(column) for column in kind.columns],
    }


def _purpose(purpose: Purpose) -> dict[str, Any]:
    return {
        "key": purpose.key,
        "title": purpose.title,
        "text": purpose.text,
        "legal_basis": purpose.legal_basis,
        "interest": purpose.interest,
    }


def _recipient(recipient: Recipient) -> dict[str, Any]:
    return {
        "key": recipient.key,
        "name": recipient.name,
        "role": recipient.role,
        "text": recipient.text,
        "country": recipient.country,
    }


def _field(column: Column) -> dict[str, Any]:
    about: dict[str, Any] = {
        "name": column.name,
        "label": column.label,
        "type": "text" if column.form is Form.SEALED else str(column.form),
    }
    if column.choices:
        about["choices"] = dict(column.choices)
    if column.personal:
        about |= {
            "category": column.personal.category,
            "source": column.personal.source.name.lower().replace("_", "-"),
            "contents": column.personal.contents or None,
        }
    return about
