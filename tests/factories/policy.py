"""Policies for tests: the committed files, published into the test database."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from audit.log import SYSTEM
from policy.models import PolicyVersion
from policy.publish import publish

ROOT = Path(__file__).resolve().parents[2]
# Before anything tests do, after every release date in the files.
PUBLISHED_AT = datetime(2017, 1, 2, tzinfo=UTC)


def file_bytes(path: str = "policies/wecustomers.toml") -> bytes:
    """A committed file's bytes."""
    return (ROOT / path).read_bytes()


def edited(path: str = "policies/wecustomers.toml", *edits: tuple[str, str]) -> bytes:
    """A committed file with pieces of text replaced; each piece must be there."""
    text = file_bytes(path).decode()
    for old, new in edits:
        assert old in text, f"{path} does not contain {old!r}"
        text = text.replace(old, new, 1)
    return text.encode()


def relabelled(source: bytes, label: str) -> bytes:
    """The file as another version: a label names one text only."""
    return re.sub(rb'(?m)^version = ".*"$', f'version = "{label}"'.encode(), source, count=1)


def publish_bytes(source: bytes, *, now: datetime = PUBLISHED_AT) -> PolicyVersion:
    """Publish any policy text."""
    return publish(source=source, filename="policy.toml", actor=SYSTEM, now=now).version


def publish_file(
    path: str = "policies/wecustomers.toml", *, now: datetime = PUBLISHED_AT
) -> PolicyVersion:
    """Publish a committed policy file."""
    return publish_bytes(file_bytes(path), now=now)
