"""Exact words people were shown, stored once by their digest."""

from __future__ import annotations

import hashlib

from consent.models import Words


def digest_of(*, text: str, locale: str) -> str:
    """The digest words are stored under: SHA-256 in hex of language, line feed, text."""
    return hashlib.sha256(f"{locale}\n{text}".encode()).hexdigest()


def store(*, text: str, locale: str) -> Words:
    """The stored copy of these words, made if there is none."""
    words = Words(digest=digest_of(text=text, locale=locale), locale=locale, text=text)
    # ON CONFLICT DO NOTHING: two people may see new words at the same moment.
    Words.objects.bulk_create([words], ignore_conflicts=True)
    return words
