"""Photos: taken in with suspicion, stored without a word about where they were made.

The danger. An image is a program for a decoder: it may unfold to gigabytes, hold a script, or be a
second kind of file at the same time. And a phone writes the place and the hour into it.

The design. Only JPEG, PNG and WebP are decoded, by their first bytes and never by their name; the
size in bytes and in pixels is known before anything is unfolded. What is stored is never what was
sent: the pixels are painted anew, smaller, into a JPEG of our own without any metadata. What looks
like a second kind of file is refused all the same, so that nobody wonders where it went.

Files lie under random names in the storage `photos`, which no web server serves; a row names each.
A row names a new file only once it lies there, and an old file goes when no row names it any more.
What a crash leaves between the two is removed within the hour (`remove_orphans`).
"""

from __future__ import annotations

import io
import re
import secrets
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Any, Final

import structlog
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.utils.translation import gettext as _
from PIL import Image, ImageOps

from accounts.models import Profile
from accounts.uploads import LARGEST

log = structlog.get_logger(__name__)
MOST_PIXELS: Final = 25_000_000  # unfolded that is 100 MB
LONGEST_SIDE: Final = 12_000  # pixels
SIDE: Final = 1024  # pixels of what is stored, at most, each way
QUALITY: Final = 85
FORMATS: Final = ("JPEG", "PNG", "WEBP")
CHUNK: Final = 1000
PATIENCE: Final = timedelta(hours=1)
# As `new_name` makes them: what else lies in that folder is not ours to delete.
OURS: Final = re.compile(r"[0-9a-f]{32}\.jpg")
# What no photo holds, wherever a program would look for it.
FOREIGN: Final = re.compile(rb"<script|<\?php|<html|<!doctype|<svg[\s>]|javascript:", re.IGNORECASE)
PDF: Final = re.compile(rb"%PDF-\d")
ENDS: Final = {"PNG": b"IEND\xaeB`\x82"}


class NoPhoto(ValueError):
    """The file is not taken; the message says why, for the person who sent it."""


@dataclass(frozen=True)
class Photo:
    """A photo as it will be stored: a JPEG of ours."""

    content: bytes


def read(sent: IO[bytes]) -> Photo:
    """Paint a sent file anew. Raises `NoPhoto`."""
    raw = sent.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise NoPhoto(too_large())
    if not raw:
        raise NoPhoto(_("This file is empty. Choose another one."))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return Photo(_painted(raw))
    except NoPhoto:
        raise
    except Exception as error:  # noqa: BLE001  a decoder may fail in any way over a crafted file
        log.info("photos.unreadable", error=type(error).__name__)
        raise NoPhoto(_("We can't read this as a photo. Choose a JPEG, PNG or WebP.")) from None


def too_large() -> str:
    """What is said about too large a file."""
    return _("This file is larger than %(n)d MB. Choose a smaller one.") % {"n": LARGEST // 2**20}


def store(photo: Photo) -> str:
    """Put the photo into the storage; its name. The caller makes a row name it, or removes it."""
    name = f"{secrets.token_hex(16)}.jpg"
    return photos().save(name, ContentFile(photo.content))


def content(name: str) -> bytes:
    """A stored photo. Raises FileNotFoundError."""
    with photos().open(name, "rb") as file:
        return bytes(file.read())


def remove(name: str) -> None:
    """Delete the file; there need not be one."""
    if name:
        photos().delete(name)


def photos() -> Storage:
    """Where photos lie."""
    return storages["photos"]


def delete_files(ids: list[Any]) -> None:
    """Delete the photos of these profiles, just before their rows go."""
    names = Profile.objects.filter(pk__in=ids).exclude(photo="").values_list("photo", flat=True)
    for name in names:
        remove(name)


def files_of(subject_ids: list[Any]) -> Iterator[tuple[str, bytes]]:
    """The photos of these people, by name."""
    named = Profile.objects.filter(subject_id__in=subject_ids).exclude(photo="")
    for name in named.values_list("photo", flat=True):
        try:
            yield name, content(name)
        except FileNotFoundError:  # replaced or erased this moment
            log.info("photos.gone")


def remove_orphans(*, now: datetime) -> int:
    """Remove files that no profile names for an hour; how many."""
    removed = 0
    # First the files, then the rows: a file that came in between has no chance to be missed.
    stored = _stored()
    for start in range(0, len(stored), CHUNK):
        names = stored[start : start + CHUNK]
        known = set(Profile.objects.filter(photo__in=names).values_list("photo", flat=True))
        for name in names:
            if name not in known and _is_older(name, than=now - PATIENCE):
                remove(name)
                removed += 1
    if removed:
        log.warning("photos.orphans", removed=removed)
    return removed


def _painted(raw: bytes) -> bytes:
    with Image.open(io.BytesIO(raw), formats=FORMATS) as sent:
        width, height = sent.size
        if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
            told = _("This photo has more than %(n)d million pixels. Choose a smaller one.")
            raise NoPhoto(told % {"n": MOST_PIXELS // 1_000_000})
        _refuse_second_kind(raw, str(sent.format))
        sent.draft("RGB", (2 * SIDE, 2 * SIDE))  # a JPEG is unfolded no larger than needed
        upright = ImageOps.exif_transpose(sent)
        upright.thumbnail((SIDE, SIDE))
        whole = upright.convert("RGBA")
        paper = Image.new("RGB", whole.size, "white")
        paper.paste(whole, mask=whole.getchannel("A"))
    made = io.BytesIO()
    paper.save(made, "JPEG", quality=QUALITY, optimize=True)
    return made.getvalue()


def _refuse_second_kind(raw: bytes, kind: str) -> None:
    """Refuse what other programs would take for a page, a script, an archive or a document."""
    end = ENDS.get(kind)
    more = end is not None and raw.rfind(end) + len(end) != len(raw)
    if kind == "WEBP":
        more = int.from_bytes(raw[4:8], "little") + 8 < len(raw)
    second = FOREIGN.search(raw) or PDF.search(raw[:1024]) or zipfile.is_zipfile(io.BytesIO(raw))
    if more or second:
        raise NoPhoto(_("There is more in this file than a photo. Save it anew as a JPEG."))


def _is_older(name: str, *, than: datetime) -> bool:
    try:
        return photos().get_modified_time(name) <= than
    except FileNotFoundError:
        return False  # it went meanwhile


def _stored() -> list[str]:
    try:
        _folders, names = photos().listdir("")
    except FileNotFoundError:
        return []  # nobody ever sent one
    return [name for name in names if OURS.fullmatch(name)]
