"""The rows as the page reads them: scripts of a thousand rows, loaded when they are looked at.

A page opened from a folder may not fetch files, but it may load scripts beside it. Each calls one
function with rows, which the page shows as text; the file is data in the clothes of a script.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from requests.package.encoding import compact, encoded
from requests.package.kinds import Kind
from requests.package.rows import Chunk


def scripts(kind: Kind, chunks: Iterable[Chunk]) -> Iterator[tuple[str, bytes]]:
    """Name and text of each script, numbered from 1."""
    for number, chunk in enumerate(chunks, start=1):
        yield name(kind, number), _script(kind, number, chunk)


def name(kind: Kind, number: int) -> str:
    """`data/consent.event-0001.js`; the page makes the same name by itself."""
    return f"data/{kind.key}-{number:04d}.js"


def _script(kind: Kind, number: int, chunk: Chunk) -> bytes:
    values = zip(*encoded(kind.columns, chunk), strict=True)
    rows = "],\n[".join(map(",".join, values))
    return f"kept({compact(kind.key)},{number},[\n[{rows}]\n]);\n".encode()
