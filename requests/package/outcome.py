"""What building a package reports while it goes on, and what it hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """How far a package is. holding: key of the kind being written, empty when finishing.

    title: that kind in words of the package's language. rows: written so far, of all kinds.
    """

    holding: str
    title: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class Built:
    """A finished package.

    rows: of all kinds. size: bytes of the ZIP, as downloaded. stored: bytes written to the target.
    sha256: of the ZIP, in hex. key: what `vault.unwrap` makes the file's key of; safe to store.
    per_holding: holding key → rows; kinds without any are left out.
    """

    rows: int
    size: int
    stored: int
    sha256: str
    per_holding: Mapping[str, int]
    key: bytes = field(repr=False)
