"""Fixtures with a published policy, and a memory of policies that ends with each test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from policy.models import PolicyVersion
from tests.factories.policy import publish_file


@pytest.fixture(autouse=True)
def no_policy_memory(settings: Any) -> Iterator[None]:
    """Nothing of another test's database is remembered, and no thread looks into this one's."""
    from policy import memory

    settings.POLICY_REFRESH_SECONDS = 0
    memory.forget_everything()
    yield
    memory.forget_everything()


@pytest.fixture
def policy_of(db: None) -> Callable[[str], PolicyVersion]:
    """Publishes `policies/<name>.toml` and returns the version."""
    return lambda name: publish_file(f"policies/{name}.toml")


@pytest.fixture
def wecustomers(policy_of: Callable[[str], PolicyVersion]) -> PolicyVersion:
    """The WeCustomers policy in force."""
    return policy_of("wecustomers")


@pytest.fixture
def clickandchat(policy_of: Callable[[str], PolicyVersion]) -> PolicyVersion:
    """The ClickAndChat policy in force."""
    return policy_of("clickandchat")
