"""The whole site as it runs: ready, answering, strict, and heard by the browser."""

import json
import time
import urllib.request

import pytest
from playwright.sync_api import Page

from tests.plugins.live import LiveSite

pytestmark = pytest.mark.slow


def test_live_site_is_ready_with_broker_and_worker(live_site: LiveSite) -> None:
    with urllib.request.urlopen(f"{live_site.url}/readyz?worker=1", timeout=10) as answer:
        found = json.load(answer)
    assert found == {
        "ready": True,
        "database": True,
        "migrations": True,
        "broker": True,
        "worker": True,
    }


def test_live_site_works_as_the_runtime_role(live_site: LiveSite) -> None:
    roles = live_site.sql(
        "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name LIKE 'kept-%%'"
        " AND datname = current_database()"
    )
    assert roles == [("kept_app",)]


def test_ticks_keep_coming(live_site: LiveSite) -> None:
    """Beat and worker go on: a heartbeat that was deleted comes back."""
    import redis

    with redis.Redis.from_url(live_site.environment["REDIS_URL"]) as client:
        (key,) = client.keys("kept:*kept:heartbeat")
        client.delete(key)
        end = time.monotonic() + 15
        while not client.exists(key) and time.monotonic() < end:
            time.sleep(0.2)
        assert client.exists(key) == 1


def test_dump_of_an_idle_site_stays_equal(live_site: LiveSite) -> None:
    live_site.wait_for(
        "SELECT count(*) > 0 AND bool_and(finished_at IS NOT NULL) FROM retention_sweeprun"
    )
    before = live_site.dump()
    assert "datamap_subject" in before
    urllib.request.urlopen(f"{live_site.url}/healthz", timeout=10).close()
    changed = {t for t, rows in live_site.dump().items() if rows != before[t]}
    # Evidence may be collected by a tick meanwhile; nothing else moves by itself.
    assert changed <= {"audit_evidence"}


@pytest.mark.browser
def test_browser_opens_the_live_site_without_a_violation(live_site: LiveSite, page: Page) -> None:
    problems: list[str] = []
    page.on(
        "console",
        lambda message: problems.append(message.text) if message.type == "error" else None,
    )
    page.on("pageerror", lambda error: problems.append(str(error)))
    outside: list[str] = []
    page.on("request", lambda r: None if r.url.startswith(live_site.url) else outside.append(r.url))
    answer = page.goto(f"{live_site.url}/policy/")
    assert answer is not None
    assert answer.status == 200
    assert (problems, outside) == ([], [])
