"""Where packages lie: `STORAGES["packages"]`, private, never served by a web server.

Files are ciphertext under random names; the row that knows name and key is `requests.Package`.
Several hosts share one storage; any backend will do whose `open(name, "wb")` streams.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import IO, Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage, storages


class PrivateFolder(FileSystemStorage):
    """A folder for the operator's account only: nothing in it has an address or other readers."""

    def url(self, name: str | None) -> str:
        """Raises ValueError: packages are handed out by a view, to their owner."""
        raise ValueError("packages have no address")

    def _open(self, name: str, mode: str = "rb") -> File[Any]:
        path = self.path(name)
        if "r" in mode:
            return File(open(path, mode))
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return File(open(path, mode, opener=_only_ours))


def packages() -> Storage:
    """The storage of packages."""
    return storages["packages"]


def new_name() -> str:
    """A random name for a new file: it tells neither whose it is nor when it was made."""
    return f"{secrets.token_hex(16)}.kept"


def create(name: str) -> IO[bytes]:
    """The file, open for writing; close it (`with`) before anybody reads it."""
    return packages().open(name, "wb")


def read(name: str) -> IO[bytes]:
    """The file, open for reading. Raises FileNotFoundError."""
    return packages().open(name, "rb")


def remove(name: str) -> None:
    """Delete the file; there need not be one."""
    packages().delete(name)


def _only_ours(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
