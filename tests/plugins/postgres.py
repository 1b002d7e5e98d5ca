"""Starts Postgres and Valkey once per test run, before pytest-django reads the settings.

Loaded with `-p` so that it comes early enough. Under xdist the controller starts the servers and
the workers inherit the addresses through the environment.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from config import embedded
from config.programs import private_folder, read_private

PREFIX = "kept-test-"
BASE = Path("/var/tmp" if os.geteuid() == 0 else tempfile.gettempdir())
ENCRYPTION_KEY = "a2VwdCB0ZXN0cyBvbmx5LCB0aGlzIGlzIG5vIHNlY3I="
RUN: dict[str, embedded.Stack] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Set the environment of the tests; only the process that nobody started starts servers."""
    if "PYTEST_XDIST_WORKER" not in os.environ and not _only_asks(early_config):
        reap_leftovers()
        folder = private_folder(Path(tempfile.mkdtemp(prefix=PREFIX, dir=BASE)))
        me = psutil.Process()
        owner = {"pid": me.pid, "created": me.create_time()}
        (folder / "owner.json").write_text(json.dumps(owner))
        stack = embedded.Stack(folder, throwaway=True)
        RUN["stack"] = stack
        stack.start()
        os.environ["KEPT_TEST_STACK"] = str(folder)
        os.environ.update(stack.environment(database="postgres"))
    _profile()


def _profile() -> None:
    """The settings of a test process; each xdist worker has a Valkey database of its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    number = int(worker.removeprefix("gw")) + 1
    if redis_url := os.environ.get("REDIS_URL"):
        os.environ["REDIS_URL"] = f"{redis_url.rsplit('/', 1)[0]}/{number}"
    os.environ |= {
        "KEPT_ENV": "test",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        # The test database is made, migrated and flushed by its owner; `runtime_role` steps down.
        "KEPT_DATABASE_ROLE": "owner",
        "SECRET_KEY": "only for tests " * 6,
        "KEPT_ENCRYPTION_KEYS": ENCRYPTION_KEY,
        "LOG_LEVEL": "WARNING",
    }
    for name in ("DEBUG", "SITE_URL", "ALLOWED_HOSTS", "EMAIL_URL", "KEPT_PROCESS"):
        os.environ.pop(name, None)


def _only_asks(config: pytest.Config) -> bool:
    options = config.known_args_namespace
    return bool(options.help or options.version)


def pytest_unconfigure(config: pytest.Config) -> None:
    stack = RUN.pop("stack", None)
    if stack is not None:
        stack.stop()
        shutil.rmtree(stack.folder, ignore_errors=True)


def reap_leftovers() -> None:
    """Stop and remove the servers of test runs that were killed."""
    for folder in BASE.glob(f"{PREFIX}*"):
        if folder.lstat().st_uid != os.geteuid() or folder.is_symlink():
            continue
        owner = read_private(folder / "owner.json")
        with contextlib.suppress(psutil.NoSuchProcess):
            if owner and psutil.Process(owner["pid"]).create_time() == owner["created"]:
                continue
        if owner:
            embedded.Stack(folder, throwaway=True).stop()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def runtime_role(db: None) -> Iterator[str]:
    """Work with the rights of the runtime role until the end of the test."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {embedded.RUNTIME}")
    yield embedded.RUNTIME
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
