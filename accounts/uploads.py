"""Files on their way in: whatever is larger than anything we take is not even put aside.

Django writes a file of any length into the system's temporary folder before a form sees it. This
handler stands first (`FILE_UPLOAD_HANDLERS`) and lets go of a file the moment it has grown too
large; the form then says so.
"""

from __future__ import annotations

from typing import Any, Final

from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest

LARGEST: Final = 5 * 1024 * 1024  # bytes of one file
_MARK: Final = "kept.upload_too_large"


class Bounded(FileUploadHandler):
    """Reads no file beyond `LARGEST`, and hands on what is smaller."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin to count."""
        super().new_file(*args, **kwargs)
        self.seen = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        """Hand the piece on to the next handler. Raises `SkipFile` for one too many."""
        self.seen += len(raw_data)
        if self.seen > LARGEST:
            if self.request is not None:
                self.request.META[_MARK] = self.field_name
            raise SkipFile
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """The next handler has the file."""


def too_large(request: HttpRequest) -> str:
    """The field whose file was let go of, or empty."""
    return str(request.META.get(_MARK, ""))
