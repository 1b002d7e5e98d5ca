"""Looking for somebody who is gone: the same words in every spelling a machine may have kept."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterable, Iterator
from urllib.parse import quote, quote_plus

from datamap import encryption

# What is sealed begins like this: version and the high bytes of the time (Fernet), in text and as
# Postgres shows bytes.
SEALED = re.compile(rb"gAAAAA[\w-]{60,}={0,2}")
SEALED_HEX = re.compile(rb"674141414141(?:[0-9a-f]{2}){60,}")


def spellings(word: str) -> set[bytes]:
    """The word plain, as hex, in URLs, in JSON, and inside base 64 at each of its three offsets;
    but for base 64 in small letters.
    """
    raw = word.encode()
    small = word.lower().encode()
    return {
        small,
        small.hex().encode(),
        raw.hex().encode(),
        quote(word, safe="").lower().encode(),
        quote_plus(word).lower().encode(),
        word.lower().encode("unicode_escape"),
    }


def encoded(word: str) -> set[bytes]:
    """The part of base 64 that does not depend on what stands beside the word."""
    found = set()
    for offset in range(3):
        padded = base64.b64encode(b"\0" * offset + word.encode())
        inner = padded[offset + 1 if offset else 0 : len(padded) // 4 * 4 - 4]
        if len(inner) >= 8:
            found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def traces(
    words: Collection[str], things: Iterable[tuple[str, bytes]], *, keys: bool = True
) -> dict[str, list[str]]:
    """Where → which of the words stand there; keys: also inside what our keys open."""
    plain = {word: spellings(word) for word in words}
    in_64 = {word: encoded(word) for word in words}
    found: dict[str, list[str]] = {}
    for where, thing in things:
        for layer in (thing, *(_opened(thing) if keys else ())):
            small = layer.lower()
            for word in words:
                if any(s in small for s in plain[word]) or any(s in layer for s in in_64[word]):
                    found.setdefault(where, []).append(word)
    return {where: sorted(set(names)) for where, names in found.items()}


def _opened(thing: bytes) -> Iterator[bytes]:
    """What is sealed in it, opened."""
    sealed = [*SEALED.findall(thing)]
    sealed += [bytes.fromhex(each.decode()) for each in SEALED_HEX.findall(thing)]
    for each in sealed:
        try:
            yield encryption.decrypt(each).encode()
        except encryption.Unreadable:
            continue
