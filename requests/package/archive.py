"""The ZIP around it all, written as it grows: what leaves is sealed, nothing is kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from zipstream import ZIP_DEFLATED, ZipStream

from requests.package.vault import Writer

# Tables shrink to a ninth at level 1; level 6 saves a seventh of that and takes twice as long.
LEVEL: Final = 1


class Archive:
    """A ZIP that goes into a vault, entry after entry. ZIP64 wherever sizes are not known before.

    Names are ASCII: no unpacking program mistakes them.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._zip = ZipStream(compress_type=ZIP_DEFLATED, compress_level=LEVEL)

    def add(self, name: str, text: bytes | str | Iterable[bytes]) -> None:
        """Write an entry, reading the text as it is needed."""
        name.encode("ascii")  # raises UnicodeEncodeError
        self._zip.add(text, name)
        self._move(self._zip.all_files())

    def close(self) -> None:
        """Write the directory at the end, without which it is no ZIP."""
        self._move(self._zip.finalize())

    def _move(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self._writer.write(piece)
