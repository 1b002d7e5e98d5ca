"""data.json: everything as one document for programs (GDPR 20), written without ever holding it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from requests.package.description import Order, of_kind, of_package
from requests.package.encoding import compact, encoded
from requests.package.kinds import Kind
from requests.package.rows import Chunk

NAME: Final = "data.json"


def document(
    order: Order,
    kinds: Iterable[Kind],
    counts: Mapping[str, int],
    read: Callable[[Kind], Iterable[Chunk]],
) -> Iterator[bytes]:
    """The document in pieces, a row a line. counts: kind → rows, as they will be read."""
    head = compact(of_package(order, counts))
    yield f'{head[:-1]},\n"kinds":['.encode()
    before = "\n"
    for kind in kinds:
        yield before.encode()
        yield from _kind(kind, counts.get(kind.key, 0), read(kind))
        before = ",\n"
    yield b"\n]}\n"


def _kind(kind: Kind, rows: int, chunks: Iterable[Chunk]) -> Iterator[bytes]:
    head = compact(of_kind(kind, rows))
    yield f'{head[:-1]},\n"rows":['.encode()
    # The names come from our models: none has a percent sign.
    names = (f"{compact(column.name)}:%s" for column in kind.columns)
    row = f"{{{','.join(names)}}}"
    before = "\n"
    for chunk in chunks:
        values = zip(*encoded(kind.columns, chunk), strict=True)
        yield (before + ",\n".join(map(row.__mod__, values))).encode()
        before = ",\n"
    yield b"]}"
