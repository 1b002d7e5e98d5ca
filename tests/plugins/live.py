"""A whole site for tests: real web, worker, beat and mail sink against a database of its own.

Nothing in it is replaced or pretended. A test that uses it must not rely on what other tests of the
session left there: make people of your own, with addresses of your own.
"""

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from psycopg import sql

from config.devmail import caught_mail
from config.embedded import OWNER, Stack
from config.processes import Processes, site_commands, tail, wait_until
from config.programs import CHECKOUT, free_port, private_folder

POLICY = "policies/wecustomers.toml"
# A tick that comes every minute in production comes every second here.
TICK_SPEED = 60
READY_SECONDS = 60


@dataclass
class LiveSite:
    """A running site and the ways to look into it from outside."""

    url: str
    environment: Mapping[str, str]
    owner_url: str
    mail_folder: Path
    processes: Processes

    def mails(self, to: str | None = None) -> list[dict[str, Any]]:
        """The mail that really arrived, newest first, as `config.devmail.read_mail` tells it."""
        found = caught_mail(self.mail_folder)
        return [mail for mail in found if to is None or mail["to"] == to]

    def wait_for_mail(self, to: str, subject: str = "", *, seconds: float = 30) -> dict[str, Any]:
        """The newest mail to an address whose subject matches a pattern; AssertionError if none."""

        def matching() -> list[dict[str, Any]]:
            return [mail for mail in self.mails(to) if re.search(subject, mail["subject"])]

        arrived = wait_until(lambda: bool(matching()), seconds=seconds)
        subjects = [mail["subject"] for mail in self.mails(to)]
        assert arrived, f"no mail to {to} about {subject!r} in {seconds} s, only {subjects}"
        return matching()[0]

    def manage(self, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command of `manage.py` on this site, with the rights that it has in production."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=CHECKOUT,
            env=without_test_settings() | dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"manage.py {words}: {done.stdout}\n{done.stderr}"
        return done

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query, asked as the owner of the tables."""
        with psycopg.connect(self.owner_url, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def dump(self, *, without: tuple[str, ...] = ()) -> dict[str, list[str]]:
        """Every row of every table as text, sorted: two dumps are equal if nothing was stored."""
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        found = {}
        with psycopg.connect(self.owner_url) as connection:
            for (table,) in connection.execute(tables).fetchall():
                if table not in without:
                    name = sql.Identifier(table)
                    query = sql.SQL("SELECT t::text FROM {} t ORDER BY 1").format(name)
                    found[table] = [row[0] for row in connection.execute(query)]
        return found

    def wait_for(self, query: str, *values: Any, seconds: float = 30) -> None:
        """Wait until a query that yields one boolean yields true."""
        came = wait_until(lambda: self.sql(query, *values) == [(True,)], seconds=seconds)
        assert came, f"not true after {seconds} s: {query} {values}\n{self.worker_log()}"

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Beat and worker stand still, with nothing begun: only pages can write."""
        beat, worker = self._family("beat"), self._family("worker")
        for process in beat:
            process.suspend()
        try:
            # What beat had sent before it stood still comes to its end first.
            settled = wait_until(lambda: self.dump() == self.dump(), seconds=30, every=1)
            assert settled, "the worker goes on writing although beat stands still"
            for process in worker:
                process.suspend()
            yield
        finally:
            for process in (*worker, *beat):
                process.resume()

    def _family(self, name: str) -> list[psutil.Process]:
        parent = psutil.Process(self.processes.running[name][1].pid)
        return [parent, *parent.children(recursive=True)]

    def worker_log(self) -> str:
        return tail(self.processes.log_of("worker"))


def without_test_settings() -> dict[str, str]:
    """Our environment without what the plugin set for the tests of this process itself."""
    ours = ("KEPT_", "DJANGO_", "PYTEST_", "DATABASE_URL", "MIGRATE_DATABASE_URL")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}


def start_site(*, name: str, number: int, folder: Path, policy: str = POLICY) -> LiveSite:
    """Make the database, publish the policy, start the processes and wait until they are ready.

    `number` chooses the Valkey database; the caller stops `processes` in the end.
    """
    stack = Stack(Path(os.environ["KEPT_TEST_STACK"]), throwaway=True)
    port, mail_port = free_port(), free_port()
    mail_folder = private_folder(folder / "mail")
    redis_url = f"{stack.valkey.url().rsplit('/', 1)[0]}/{number}"
    environment = stack.environment(database=name) | {
        "KEPT_ENV": "test",
        "SITE_URL": f"http://localhost:{port}",
        "REDIS_URL": redis_url,
        "EMAIL_URL": f"smtp://127.0.0.1:{mail_port}",
        "KEPT_MAIL_FOLDER": str(mail_folder),
        "KEPT_TICK_SPEED": str(TICK_SPEED),
        "KEPT_STATE_DIR": str(folder),
    }
    site = LiveSite(
        url=f"http://localhost:{port}",
        environment=environment,
        owner_url=stack.postgres.url(OWNER, name),
        mail_folder=mail_folder,
        processes=Processes(folder / "logs"),
    )
    site.manage("migrate", "--verbosity", "0")
    site.manage("publish_policy", policy, "--yes")
    try:
        for command in site_commands(
            port=port, mail_port=mail_port, mail_folder=mail_folder, state=folder
        ):
            site.processes.start(command, clean(environment))
        wait_ready(site)
    except BaseException:
        site.processes.stop()
        raise
    return site


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Blank what this test process was told and the site must not inherit."""
    unset = {key: "" for key in os.environ if key not in without_test_settings()}
    return unset | dict(environment) | {"DJANGO_SETTINGS_MODULE": "config.settings"}


def wait_ready(site: LiveSite) -> None:
    """Wait for /readyz?worker=1; AssertionError with the logs if it doesn't come."""
    answer = ""
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and not site.processes.ended():
        try:
            urllib.request.urlopen(f"{site.url}/readyz?worker=1", timeout=5).close()
        except urllib.error.HTTPError as error:
            answer = error.read().decode(errors="replace")
            error.close()
        except OSError as error:
            answer = str(error)
        else:
            return
        time.sleep(0.2)
    logs = "\n".join(tail(site.processes.log_of(n)) for n in site.processes.running)
    raise AssertionError(f"the live site isn't ready: {answer}\n{logs}")


@pytest.fixture(scope="session")
def live_site(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[LiveSite]:
    """The WeCustomers site, up with worker and beat, for the whole session."""
    yield from serve(tmp_path_factory, worker_id, name="live", number=100)


def serve(
    tmp_path_factory: pytest.TempPathFactory,
    worker_id: str,
    *,
    name: str,
    number: int,
    policy: str = POLICY,
) -> Iterator[LiveSite]:
    """The life of a site's fixture. `number` is the first of ten Valkey databases of its own."""
    number += int(re.sub(r"\D", "", worker_id) or 0)
    folder = tmp_path_factory.mktemp(name)
    site = start_site(name=f"{name}_{worker_id}", number=number, folder=folder, policy=policy)
    yield site
    site.processes.stop()
