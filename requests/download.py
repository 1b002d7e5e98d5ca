"""A package is handed out: to its owner, as a stream, counted; decrypted on the way and never
before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Final, Protocol

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.urls import reverse

from audit.log import Actor
from consent import mail
from datamap.encryption import Unreadable
from requests import answers, rules, trail
from requests.copies import is_ready, package_of
from requests.models import Package, Request
from requests.package import store, vault

log = structlog.get_logger(__name__)
SITTING: Final = timedelta(hours=1)  # downloads within it are told once


class NotThere(Exception):
    """There is no package to download: not made yet, expired, erased, or lost."""


class NotNow(Exception):
    """The package is there, and its file can't be read at the moment."""


@dataclass(frozen=True)
class Download:
    """An open package: the name it is saved under, its size in bytes, its bytes. Close `content`
    however much of it was read.
    """

    filename: str
    size: int
    content: Content


class Content(Protocol):
    """Bytes that come from an open file."""

    def __iter__(self) -> Iterator[bytes]:
        """The bytes, once."""

    def close(self) -> None:
        """Close the file."""


def hand_out(*, request: Request, actor: Actor, now: datetime) -> Download:
    """Open the package of this request and count the download before its first byte leaves.

    The caller has made sure that it is the owner who asks. Raises `NotThere`, `NotNow`.
    """
    package = package_of(request)
    if package is None or not is_ready(package, now):
        raise NotThere
    key = _key(package)
    file = _open(package)
    content = vault.read(file, key)
    try:
        first = next(content)
    except (vault.Altered, StopIteration):
        file.close()
        _lose(package, why="altered")
        raise NotThere from None
    except OSError as error:
        file.close()
        raise _not_now(package, error) from None
    with transaction.atomic():
        told = package.last_downloaded_at is not None and now - package.last_downloaded_at < SITTING
        there = Package.objects.filter(pk=package.pk, state=Package.State.READY, expires_at__gt=now)
        if not there.update(downloads=F("downloads") + 1, last_downloaded_at=now):
            file.close()
            raise NotThere
        trail.prove(request, actor, "requests.package-downloaded", now, package=str(package.pk))
        if not told:
            _tell_owner(request, now)
    site = rules.version_of(request).document.site.key
    return Download(
        filename=f"{site}-{request.name}.zip",
        size=package.size,
        content=_Content(package, file, first, content),
    )


def _tell_owner(request: Request, now: datetime) -> None:
    """That their data left, to the account's address: whoever took it may not be them."""
    address = answers.address_of(request)
    if address is None:
        return
    mail.post(
        category="account",
        template="account_data_exported",
        context={
            "password_reset_url": settings.SITE_URL + reverse("account_reset_password"),
        },
        address=address,
        subject_id=request.subject_id,
        now=now,
        language=request.language,
    )


def _open(package: Package) -> IO[bytes]:
    try:
        return store.read(package.name)
    except FileNotFoundError:
        _lose(package, why="missing")
        raise NotThere from None
    except OSError as error:
        raise _not_now(package, error) from None


def _not_now(package: Package, error: OSError) -> NotNow:
    """The disk or its rights are in the way: for the operator to mend, and nothing is lost."""
    log.error("package unreadable", package=str(package.pk), why=type(error).__name__)
    return NotNow()


def _key(package: Package) -> bytes:
    try:
        return vault.unwrap(bytes(package.key or b""))
    except Unreadable:
        _lose(package, why="no key")
        raise NotThere from None


class _Content:
    """The decrypted bytes of a package."""

    def __init__(
        self, package: Package, file: IO[bytes], first: bytes, rest: Iterator[bytes]
    ) -> None:
        self.package, self.file, self.first, self.rest = package, file, first, rest

    def __iter__(self) -> Iterator[bytes]:
        """Breaks off where the file was altered, so that the browser sees a failure."""
        try:
            yield self.first
            yield from self.rest
        except vault.Altered:
            _lose(self.package, why="altered")
            raise

    def close(self) -> None:
        self.file.close()


def _lose(package: Package, *, why: str) -> None:
    """The stored file is no good: say so, to people and in the log, and let them ask again."""
    log.error("package unreadable", package=str(package.pk), why=why)
    Package.objects.filter(pk=package.pk, state=Package.State.READY).update(
        state=Package.State.GONE
    )
