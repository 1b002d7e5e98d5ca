"""Encryption of sensitive values at rest, and keyed hashes for values that must be recognised.

Keys come from `KEPT_ENCRYPTION_KEYS`, newest first; old ones still decrypt, so keys rotate
without a stop. Hashes are HMAC-SHA-256 under a key of their own, derived from the oldest: they
must stay comparable while values are re-encrypted. Hashes that are kept for years carry the version
of their key (`hash_version`): without that key they recognise nothing any more.
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
    return _hash(settings.KEPT_ENCRYPTION_KEYS[-1], text)


def keyed_hashes(text: str) -> dict[str, str]:
    """Version → the text's hash under it, for every key of this installation."""
    return {_version(key): _hash(key, text) for key in settings.KEPT_ENCRYPTION_KEYS}


def hash_version() -> str:
    """Which key `keyed_hash` uses now: 12 hex digits that tell nothing about it."""
    return _version(settings.KEPT_ENCRYPTION_KEYS[-1])


def _hash(key: str, text: str) -> str:
    derived = hashlib.sha256(b"kept keyed hash 1" + key.encode()).digest()
    return hmac.new(derived, text.encode(), hashlib.sha256).hexdigest()


def _version(key: str) -> str:
    return hashlib.sha256(b"kept hash version 1" + key.encode()).hexdigest()[:12]


@cache
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
