"""Packages lie in a private folder that has no address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from requests.package import store, vault


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    """The folder of packages, empty."""
    place = tmp_path / "packages"
    settings.STORAGES = {
        **django_settings.STORAGES,
        "packages": {
            "BACKEND": "requests.package.store.PrivateFolder",
            "OPTIONS": {"location": str(place)},
        },
    }
    return place


def test_a_file_goes_in_and_comes_out(folder: Path) -> None:
    name = store.new_name()
    key = vault.new_key()
    with store.create(name) as file, vault.Writer(file, key) as writer:
        writer.write(b"secret")
    with store.read(name) as file:
        assert b"".join(vault.read(file, key)) == b"secret"
    assert b"secret" not in (folder / name).read_bytes()
    store.remove(name)
    store.remove(name)
    assert list(folder.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        store.read(name)


def test_only_our_account_may_look(folder: Path) -> None:
    with store.create("one.kept") as file:
        file.write(b"x")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "one.kept").stat().st_mode & 0o777 == 0o600


def test_it_has_no_address_and_lies_outside_what_is_served(folder: Path) -> None:
    with pytest.raises(ValueError, match="no address"):
        store.packages().url("one.kept")
    place = Path(django_settings.STORAGES["packages"]["OPTIONS"]["location"])
    served = [Path(django_settings.MEDIA_ROOT), Path(django_settings.STATIC_ROOT or "/nowhere")]
    assert not any(place.is_relative_to(folder) for folder in served)


def test_names_are_random_and_tell_nothing(folder: Path) -> None:
    names = {store.new_name() for _name in range(100)}
    assert len(names) == 100
    assert {len(name) for name in names} == {37}


def test_a_file_can_be_read_in_pieces(folder: Path) -> None:
    with store.create("one.kept") as file:
        file.write(b"abc")
    with store.read("one.kept") as file:
        assert (file.read(2), file.read(2), file.read(2)) == (b"ab", b"c", b"")
