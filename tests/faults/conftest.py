"""One running site for all tests of a module: only what was killed is started again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.planter import Planter
from tests.faults.site import Site, eventually, running_site

POLICY = "policies/wecustomers.toml"


@pytest.fixture(scope="session")
def faulty_site() -> Iterator[Site]:
    """A site with bystanders, up and with its first sweep behind it."""
    with running_site() as site:
        with Planter(site) as planter:
            planter.plant({"plant": "house", "policy": POLICY})
        site.start_all()
        site.wait_ready()
        swept = "SELECT count(*) = 1 FROM retention_tick WHERE done_at IS NOT NULL"
        assert eventually(site, swept, seconds=60)
        site.wait_idle()
        yield site


@pytest.fixture
def site(faulty_site: Site) -> Site:
    """The site with all its processes up, before each test."""
    faulty_site.start_all()
    faulty_site.wait_ready()
    return faulty_site


@pytest.fixture
def planter(site: Site) -> Iterator[Planter]:
    """Gives it people and work."""
    with Planter(site) as planter:
        yield planter
