"""The lock files: exact, hashed, without an address, and without a package named like our room."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ["requirements.lock", "requirements-dev.lock", "requirements-uv.lock"]


def packages(lock: str) -> dict[str, str]:
    """Name → version of every package of a lock file."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_has_no_package_that_the_requests_app_would_hide(lock: str) -> None:
    assert packages(lock) != {}
    assert "requests" not in packages(lock)


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_names_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert re.findall(r"\S*(?:://|--index|--find-links)\S*", text) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_has_a_hash_for_every_package(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(packages(lock))
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_both_locks_agree() -> None:
    runtime, dev = packages("requirements.lock"), packages("requirements-dev.lock")
    assert {name: dev.get(name) for name in runtime} == runtime
