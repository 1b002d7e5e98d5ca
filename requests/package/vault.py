"""Packages at rest: encrypted in frames, so that neither writing nor reading needs it in memory.

The danger: a package is everything we hold about a person in one file. A copy of the disk, a
storage bucket or a backup must be worth nothing, and whoever can write there must not be able to
hand a person a package that was shortened, stitched together or belongs to somebody else.

The design is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and
its Nonce-Reuse Misuse-Resistance", 2015) over AES-256-GCM:

- a fresh key per package, kept with its row and itself encrypted by `datamap.encryption`;
  whoever erases the row has made the file unreadable;
- a header (magic, frame size, random prefix) that every frame authenticates;
- frames of one size, each sealed under prefix, position and "is this the last one": a frame that
  was altered, moved, left out or repeated does not open, nor does a file that ends too early or
  goes on too long. Nothing of a frame is handed out before it is proved.
"""

from __future__ import annotations

import base64
import hashlib
import os
import struct
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from datamap import encryption

MAGIC: Final = b"KEPTPKG1"
FRAME: Final = 256 * 1024  # bytes of text in one frame
LARGEST_FRAME: Final = 16 * 1024 * 1024
TAG: Final = 16
# Magic, size of a frame, random prefix of the nonces.
HEADER: Final = struct.Struct(">8sI7s")


class Altered(ValueError):
    """The file is not, or no longer, what was written under this key. position: of the frame."""

    def __init__(self, position: int) -> None:
        self.position = position
        super().__init__(f"frame {position} was not written like this under this key")


class Sink(Protocol):
    """What bytes can be written to: an open file of a storage, a buffer."""

    def write(self, data: bytes, /) -> object:
        """Take the bytes."""


class Origin(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """At most that many bytes; none at the end."""


def new_key() -> bytes:
    """A fresh key, for one file."""
    return AESGCM.generate_key(bit_length=256)


def wrap(key: bytes) -> bytes:
    """The key as it may be stored: encrypted under this installation's keys."""
    return encryption.encrypt(base64.b64encode(key).decode())


def unwrap(wrapped: bytes) -> bytes:
    """The key again. Raises `datamap.encryption.Unreadable`."""
    return base64.b64decode(encryption.decrypt(wrapped))


class Writer:
    """Encrypts what is written into a sink. Only `close` makes the file whole.

    As a context manager it closes after success only: what was written before an exception lacks
    its last frame, so it can't be read as if it were complete.

    size: bytes of text taken. stored: bytes written to the sink. sha256: of the text, in hex.
    """

    def __init__(self, sink: Sink, key: bytes, *, frame: int = FRAME) -> None:
        self.size = 0
        self.stored = 0
        self._sink = sink
        self._cipher = AESGCM(key)
        self._frame = frame
        self._prefix = os.urandom(7)
        self._header = HEADER.pack(MAGIC, frame, self._prefix)
        self._position = 0
        self._pending = bytearray()
        self._digest = hashlib.sha256()
        self._closed = False
        self._put(self._header)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()

    @property
    def sha256(self) -> str:
        """Digest of the text so far, in hex."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> int:
        """Take some text. Raises ValueError once closed."""
        if self._closed:
            raise ValueError("this file is closed")
        self.size += len(data)
        self._digest.update(data)
        self._pending += data
        # One frame stays back: only `close` knows which is the last.
        while len(self._pending) > self._frame:
            self._seal(bytes(self._pending[: self._frame]), last=False)
            del self._pending[: self._frame]
        return len(data)

    def close(self) -> None:
        """Write the last frame; again does nothing."""
        if not self._closed:
            self._closed = True
            self._seal(bytes(self._pending), last=True)
            self._pending.clear()

    def _seal(self, text: bytes, *, last: bool) -> None:
        nonce = _nonce(self._prefix, self._position, last=last)
        self._put(self._cipher.encrypt(nonce, text, self._header))
        self._position += 1

    def _put(self, data: bytes) -> None:
        self._sink.write(data)
        self.stored += len(data)


def read(file: Origin, key: bytes) -> Iterator[bytes]:
    """The text of a file, frame by frame. Raises `Altered`, before anything unproved is yielded.

    That the end is missing shows only at the end: whoever passes the text on must break the
    transfer off instead of ending it in order.
    """
    header = _exactly(file, HEADER.size)
    if len(header) != HEADER.size:
        raise Altered(0)
    magic, frame, prefix = HEADER.unpack(header)
    if magic != MAGIC or not 0 < frame <= LARGEST_FRAME:
        raise Altered(0)
    cipher = AESGCM(key)
    position = 0
    ahead = _exactly(file, frame + TAG)
    while True:
        sealed, ahead = ahead, _exactly(file, frame + TAG)
        nonce = _nonce(prefix, position, last=not ahead)
        try:
            text = cipher.decrypt(nonce, sealed, header)
        except (InvalidTag, ValueError):
            raise Altered(position) from None
        if text:
            yield text
        if not ahead:
            return
        position += 1


def _nonce(prefix: bytes, position: int, *, last: bool) -> bytes:
    # A counter of 32 bits: at 256 KiB a frame, a petabyte. `struct` refuses to go beyond.
    return prefix + struct.pack(">IB", position, last)


def _exactly(file: Origin, size: int) -> bytes:
    """That many bytes unless the file ends: storages may hand out fewer at a time."""
    parts: list[bytes] = []
    while size:
        part = file.read(size)
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
