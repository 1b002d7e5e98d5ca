"""Encryption of sensitive values at rest, and keyed hashes for values that must be recognised.

Keys come from `KEPT_ENCRYPTION_KEYS`, newest first; old ones still decrypt, so keys rotate
without a stop. Hashes are HMAC-SHA-256 under a key of their own, derived from the oldest: they
must stay comparable while values are re-encrypted.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Unreadable(ValueError):
    """No key of this installation opens the value."""


def encrypt(text: str) -> bytes:
    """The text under the newest key."""
    return _fernet(tuple(settings.KEPT_ENCRYPTION_KEYS)).encrypt(text.encode())


def decrypt(value: bytes) -> str:
    """The text again. Raises `Unreadable`."""
    try:
        return _fernet(tuple(settings.KEPT_ENCRYPTION_KEYS)).decrypt(bytes(value)).decode()
    except InvalidToken:
        raise Unreadable("no key opens this value; is KEPT_ENCRYPTION_KEYS complete?") from None


def keyed_hash(text: str) -> str:
    """A hex digest that tells equal values, and nothing else without the key."""
    oldest = settings.KEPT_ENCRYPTION_KEYS[-1].encode()
    key = hashlib.sha256(b"kept keyed hash 1" + oldest).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


@cache
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
