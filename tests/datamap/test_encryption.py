"""Values at rest: readable under old keys, unreadable under none, recognisable by hash."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from datamap.encryption import (
    Unreadable,
    decrypt,
    encrypt,
    hash_version,
    keyed_hash,
    keyed_hashes,
)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_decrypt_gives_back_what_was_encrypted(text: str) -> None:
    value = encrypt(text)
    assert decrypt(value) == text
    assert text == "" or len(text) < 4 or text.encode() not in value


def test_equal_texts_look_different() -> None:
    assert encrypt("same") != encrypt("same")


def test_keys_rotate_without_a_stop(settings: Any) -> None:
    old, new = settings.KEPT_ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
    before, mark = encrypt("kept"), keyed_hash("kept")
    settings.KEPT_ENCRYPTION_KEYS = [new, old]
    assert decrypt(before) == "kept"
    assert keyed_hash("kept") == mark
    after = encrypt("kept")
    settings.KEPT_ENCRYPTION_KEYS = [new]
    assert decrypt(after) == "kept"
    with pytest.raises(Unreadable):
        decrypt(before)


@pytest.mark.parametrize("spoil", [b"", b"x", b"not a token at all"])
def test_decrypt_refuses_what_no_key_made(spoil: bytes) -> None:
    with pytest.raises(Unreadable):
        decrypt(spoil)


def test_decrypt_refuses_an_altered_value() -> None:
    value = bytearray(encrypt("kept"))
    value[20] ^= 1
    with pytest.raises(Unreadable):
        decrypt(bytes(value))


def test_decrypt_takes_what_the_database_returns() -> None:
    assert decrypt(memoryview(encrypt("kept"))) == "kept"  # type: ignore[arg-type]  # as psycopg may


def test_keyed_hash_tells_equal_values_and_depends_on_the_key(settings: Any) -> None:
    first = keyed_hash("robin@example.com")
    assert (len(first), first) == (64, keyed_hash("robin@example.com"))
    assert first != keyed_hash("Robin@example.com")
    settings.KEPT_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert keyed_hash("robin@example.com") != first


def test_every_key_has_a_version_that_stays(settings: Any) -> None:
    old, new = settings.KEPT_ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
    version, mark = hash_version(), keyed_hash("kept")
    assert keyed_hashes("kept") == {version: mark}
    settings.KEPT_ENCRYPTION_KEYS = [new, old]
    assert (hash_version(), keyed_hashes("kept")[version]) == (version, mark)
    assert len(set(keyed_hashes("kept").values())) == 2
    settings.KEPT_ENCRYPTION_KEYS = [new]
    assert version not in keyed_hashes("kept")
    assert len(version) == 12
    assert version not in old
