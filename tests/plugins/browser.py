"""The browser of the tests: an installed Chromium or Playwright's own; without one, skip."""

import glob
import os
import shutil
from typing import Any

import pytest
from _pytest.nodeid import coerce_node_id

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PLAYWRIGHTS = "~/.cache/ms-playwright/chromium-*/chrome-linux*/chrome"
ARGUMENTS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]
# Fixtures that start a whole site, the most used first.
SITES = ("live_site", "faulty_site", "hasty_site", "clickandchat_site")
REASON = "no Chromium found: install chromium, or run `make test` as root once"


def find_chromium() -> str | None:
    """The path of a Chromium that can be started, or None."""
    if chosen := os.environ.get("KEPT_CHROMIUM"):
        return chosen if os.access(chosen, os.X_OK) else None
    installed = [path for name in NAMES if (path := shutil.which(name))]
    downloaded = sorted(glob.glob(os.path.expanduser(PLAYWRIGHTS)), reverse=True)
    return next(iter([*installed, *downloaded]), None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Browser tests last; tests of a running site in one xdist worker, which starts it once.

    pytest-xdist 3.8 writes the group of `xdist_group` where pytest 9.2 no longer reads it, so we
    write it ourselves into the id by which xdist's `loadgroup` sorts.
    """
    grouped = getattr(config.option, "loadgroup", False)
    for item in items:
        used = [site for site in SITES if site in getattr(item, "fixturenames", ())]
        if used and grouped:
            item._id = coerce_node_id(f"{item.nodeid}@{used[0]}")
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip without a browser; let Django work beside Playwright's event loop.

    The loop goes on running in this process after the first browser test, so the permission stays
    from then on. Other processes never get it.
    """
    if item.get_closest_marker("browser") is None:
        return
    if find_chromium() is None:
        if os.environ.get("CI") == "true":
            pytest.fail(REASON)
        pytest.skip(REASON)
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Playwright's launch options with the Chromium found, and without a sandbox as root."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {
        **browser_type_launch_args,
        "executable_path": find_chromium(),
        "args": [*ARGUMENTS, *sandbox],
    }
