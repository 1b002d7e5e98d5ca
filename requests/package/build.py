"""Build one person's package: read three times in one snapshot, write, encrypt, in flat memory.

The page's scripts come first, for only then it is known how many rows there are and what the
first ones look like; then the page, the tables, and the document for programs. Reading is the
cheaper part of the work: keeping what was read for the other two formats would need as much
space on disk, in the clear or encrypted once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import translation

from datamap.counting import count as count_selections
from datamap.registry import holdings
from datamap.same_person import same_person
from policy.document import Document
from requests.package import page, portable, scripts, tables, vault
from requests.package.archive import Archive
from requests.package.description import Order
from requests.package.kinds import SORTED_UP_TO, WORDS, Kind, kinds, words_seen
from requests.package.outcome import Built, Progress
from requests.package.redaction import redactor_for
from requests.package.rows import Chunk, chunks
from requests.package.snapshot import snapshot
from requests.package.vault import Sink

FORMATS: Final = 3  # each row is read as a script, a table and JSON


def count(*, subject_id: UUID) -> dict[str, int]:
    """Kind → rows about this person, kinds without any left out; two statements.

    An estimate: the package is read later.
    """
    return _count(same_person(subject_id))


def _count(subject_ids: list[UUID]) -> dict[str, int]:
    selections = {holding.key: holding.rows_of(subject_ids) for holding in holdings()}
    return count_selections(selections | {WORDS: words_seen(subject_ids)})


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
    is called for every thousand rows, may write and commit; inside a transaction of the caller it
    reads there instead. What `progress` raises ends the building. `target` is not closed, and what
    lies in it can't be read unless `build` returned. What is held under another subject of the
    same person is in it, too.
    """
    order = Order(subject_id=subject_id, document=document, language=language, now=now)
    key = vault.new_key()
    with (
        translation.override(language),
        snapshot() as connection,
        vault.Writer(target, key) as writer,
    ):
        building = _Building(order, Archive(writer), connection, progress)
        building.run()
    return Built(
        rows=sum(building.counts.values()),
        size=writer.size,
        stored=writer.stored,
        sha256=writer.sha256,
        per_holding={kind: rows for kind, rows in building.counts.items() if rows},
        key=vault.wrap(key),
    )


class _Building:
    """One package under way. counts: kind → rows, known once its scripts are written."""

    def __init__(
        self,
        order: Order,
        archive: Archive,
        connection: BaseDatabaseWrapper,
        progress: Callable[[Progress], None],
    ) -> None:
        self.counts: dict[str, int] = {}
        self._order, self._archive = order, archive
        self._connection, self._progress = connection, progress
        self._subject_ids = same_person(order.subject_id)
        self._kinds = kinds(order.document)
        self._redactor = redactor_for(
            subject_ids=self._subject_ids, document=order.document, connection=connection
        )
        # Only says what is too much to sort, so it may be of a moment before.
        self._estimate = _count(self._subject_ids)
        self._read = 0

    def run(self) -> None:
        """Everything, in the order in which it becomes known."""
        first = {kind.key: self._scripts(kind) for kind in self._kinds}
        self._archive.add("index.html", page.page(self._order, self._kinds, self.counts, first))
        files = list(_files(self._subject_ids))
        readme = page.readme(self._order, self._kinds, self.counts, files=bool(files))
        self._archive.add("README.txt", readme)
        for kind in self._kinds:
            if self.counts[kind.key]:
                self._archive.add(tables.name(kind), tables.table(kind, self._chunks(kind)))
        for name, content in files:
            self._archive.add(name, content)
        whole = portable.document(self._order, self._kinds, self.counts, self._chunks)
        self._archive.add(portable.NAME, whole)
        self._archive.close()
        self._progress(Progress(holding="", title="", rows=sum(self.counts.values())))

    def _scripts(self, kind: Kind) -> Chunk:
        """Write a kind's scripts and count its rows; returns the first, for the page itself."""
        first: Chunk = []
        rows = 0

        def noted() -> Iterator[Chunk]:
            nonlocal first, rows
            for chunk in self._chunks(kind):
                first = first or [values[: page.FIRST] for values in chunk]
                rows += len(chunk[0])
                yield chunk

        for name, text in scripts.scripts(kind, noted()):
            self._archive.add(name, text)
        self.counts[kind.key] = rows
        return first

    def _chunks(self, kind: Kind) -> Iterator[Chunk]:
        """A kind's rows, telling how far we are after each thousand."""
        if self.counts.get(kind.key) == 0:
            return
        read = chunks(
            kind,
            subject_ids=self._subject_ids,
            ordered=self._estimate.get(kind.key, 0) <= SORTED_UP_TO,
            connection=self._connection,
            redactor=self._redactor,
        )
        for chunk in read:
            yield chunk
            self._read += len(chunk[0])
            rows = self._read // FORMATS
            self._progress(Progress(holding=kind.key, title=kind.title, rows=rows))


def _files(subject_ids: list[UUID]) -> Iterator[tuple[str, bytes]]:
    """What lies outside the database, in a folder for each holding."""
    for holding in holdings():
        for name, content in holding.files(subject_ids) if holding.files else ():
            yield f"files/{holding.key}/{name}", content
