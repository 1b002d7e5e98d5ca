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
def quick_passwords(settings: Any) -> None:
    """Same algorithm, least cost."""
    settings.PASSWORD_HASHERS = ["tests.plugins.passwords.QuickArgon2"]
