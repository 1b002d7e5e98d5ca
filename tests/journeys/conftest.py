"""Sites of their own for journeys that need another policy."""

from collections.abc import Iterator

import pytest

from tests.factories.policy import edited
from tests.plugins.live import LiveSite, serve


@pytest.fixture(scope="module")
def hasty_site(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[LiveSite]:
    """WeCustomers, except that the time to contest a lock is a minute."""
    file = tmp_path_factory.mktemp("policy") / "hasty.toml"
    minute = ('contest = "7 days"', 'contest = "1 minute"')
    file.write_bytes(edited("policies/wecustomers.toml", minute))
    yield from serve(tmp_path_factory, worker_id, name="hasty", number=110, policy=str(file))


@pytest.fixture(scope="module")
def clickandchat_site(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[LiveSite]:
    """ClickAndChat, where nobody under 18 may have an account."""
    policy = "policies/clickandchat.toml"
    yield from serve(tmp_path_factory, worker_id, name="chat", number=120, policy=policy)
