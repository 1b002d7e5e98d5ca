"""Building reads one state of the data, keeps it out of memory, and lets progress be written."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection

from audit.log import SYSTEM, person, record
from audit.models import AuditEntry
from consent.models import Event, Words
from datamap.models import Subject
from policy import reading
from policy.document import Document
from requests.package import Progress, build, vault
from tests.factories.consent import make_subject
from tests.factories.policy import file_bytes

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def document() -> Document:
    """A policy, not published: the package needs only its text."""
    return reading.parse(file_bytes())


def fill(subject: Subject, rows: int) -> None:
    """That many rows in the person's ledger."""
    words, _made = Words.objects.get_or_create(digest="0" * 64, locale="en", text="May we?")
    Event.objects.bulk_create(
        (
            Event(
                subject=subject,
                kind="notice",
                key=f"number-{number}",
                decision="shown",
                policy_digest="1" * 64,
                words=words,
                surface="site",
                locale="en",
                channel="site",
                at=NOW + timedelta(minutes=number),
            )
            for number in range(rows)
        ),
        batch_size=1000,
    )


@pytest.mark.django_db(transaction=True)
def test_what_happens_meanwhile_is_in_none_of_the_formats_and_progress_is_committed(
    document: Document,
) -> None:
    subject = make_subject()
    fill(subject, 1500)
    seen: list[str] = []

    def note(step: Progress) -> None:
        # Committed at once, outside the snapshot, by the ordinary connection.
        assert not connection.in_atomic_block
        record(actor=SYSTEM, verb="tests.progress", now=NOW, subject_id=subject.pk)
        seen.append(step.holding)

    target = io.BytesIO()
    built = build(
        subject_id=subject.pk,
        document=document,
        language="en",
        now=NOW,
        target=target,
        progress=note,
    )
    target.seek(0)
    archive = zipfile.ZipFile(io.BytesIO(b"".join(vault.read(target, vault.unwrap(built.key)))))
    kinds = {k["key"]: k for k in json.loads(archive.read("data.json"))["kinds"]}
    assert (kinds["audit.entry"]["count"], kinds["consent.event"]["count"]) == (0, 1500)
    assert all(kind["count"] == len(kind["rows"]) for kind in kinds.values())
    assert not [name for name in archive.namelist() if "audit.entry" in name]
    assert AuditEntry.objects.filter(verb="tests.progress").count() == len(seen) > 3


def test_in_a_transaction_of_the_caller_it_reads_what_is_written_there(
    db: None, document: Document
) -> None:
    subject = make_subject()
    record(actor=person(subject.pk), verb="tests.noted", now=NOW, subject_id=subject.pk)
    built = build(
        subject_id=subject.pk,
        document=document,
        language="en",
        now=NOW,
        target=io.BytesIO(),
        progress=lambda _step: None,
    )
    assert dict(built.per_holding) == {"audit.entry": 1, "datamap.subject": 1}


class Nowhere:
    """A sink that keeps nothing."""

    def write(self, data: bytes) -> int:
        return len(data)


def peak(subject_id: UUID, document: Document) -> int:
    """The most memory that building takes, in bytes."""
    tracemalloc.start()
    try:
        build(
            subject_id=subject_id,
            document=document,
            language="en",
            now=NOW,
            target=Nowhere(),
            progress=lambda _step: None,
        )
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_is_flat(db: None, document: Document) -> None:
    few, many = make_subject(), make_subject()
    fill(few, 2_000)
    fill(many, 16_000)
    peak(few.pk, document)  # fills caches: templates, translations
    # Eight times the rows; beside them only the ZIP's own list of files grows.
    assert peak(many.pk, document) < peak(few.pk, document) + 500_000
