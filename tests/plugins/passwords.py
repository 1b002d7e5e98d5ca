"""The product's password hash at the least cost: tests make hundreds of accounts."""

from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher


class QuickArgon2(Argon2PasswordHasher):
    """Argon2id with eight kibibytes and one round."""

    time_cost = 1
    memory_cost = 8
    parallelism = 1


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same algorithm, least cost; the check of stored hashes takes that for enough."""
    monkeypatch.setattr("accounts.controls.passwords.FLOOR", {"m": 8, "t": 1})
    settings.PASSWORD_HASHERS = ["tests.plugins.passwords.QuickArgon2"]
