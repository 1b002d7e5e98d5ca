"""Random names for URLs."""

from __future__ import annotations

import secrets


def new_handle() -> str:
    """A random name for URLs: 128 bits (ASVS 11.5.1), telling nothing."""
    return secrets.token_urlsafe(16)
