"""What all tests of this room need."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Same algorithm, least cost."""
    settings.PASSWORD_HASHERS = ["tests.accounts.quick_hasher.QuickArgon2"]
