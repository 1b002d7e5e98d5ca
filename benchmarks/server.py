"""A private Postgres for measuring, and databases in it that are copied, not filled, per run.

It keeps its promises (fsync, synchronous commit), unlike the server of the tests. Each measured
piece of work runs in a process of its own, with the rights of the runtime role, on a fresh copy.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from config import embedded
from config.programs import CHECKOUT, private_folder

# Root's own folder is closed to the account that Postgres runs as.
BASE = Path("/var/tmp" if os.geteuid() == 0 else tempfile.gettempdir())  # noqa: S108
POLICY = "policies/wecustomers.toml"
# What any guide to Postgres sets on a machine for a million rows; the wheel's defaults are for 128
# MB of memory, and would measure the disk.
TUNED = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "maintenance_work_mem": "256MB",
    "work_mem": "16MB",
    "track_io_timing": "off",
}


class Failed(RuntimeError):
    """A measured process ended with an error; the text is what it printed."""


class Server:
    """One run's database server. Use it in a `with`; it is gone afterwards."""

    def __init__(self) -> None:
        self.folder = private_folder(Path(tempfile.mkdtemp(prefix="kept-bench-", dir=BASE)))
        self.postgres = embedded.Postgres(self.folder)
        self._secrets = embedded.local_secrets(self.folder)
        self._templates: set[str] = set()

    def __enter__(self) -> Server:
        self.postgres.start()
        with self.superuser("postgres") as connection:
            for name, value in TUNED.items():
                connection.execute(
                    sql.SQL("ALTER SYSTEM SET {} = {}").format(
                        sql.Identifier(name), sql.Literal(value)
                    )
                )
        self.postgres.stop()
        self.postgres.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self.postgres.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def superuser(self, database: str) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection that may fill tables without their triggers."""
        return psycopg.connect(self.postgres.url(embedded.SUPERUSER, database), autocommit=True)

    def environment(self, database: str) -> dict[str, str]:
        """What a process needs in order to find this database and nothing else's."""
        ours = {
            "DATABASE_URL": self.postgres.url(embedded.RUNTIME, database),
            "MIGRATE_DATABASE_URL": self.postgres.url(embedded.OWNER, database),
            "KEPT_RUNTIME_ROLE": embedded.RUNTIME,
            "KEPT_ENV": "test",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "LOG_LEVEL": "ERROR",
            # Everything is due here; what the brake is for is measured with it, not stopped by it.
            "KEPT_SWEEP_BRAKE_SHARE": "1",
            **self._secrets,
        }
        foreign = ("REDIS_URL", "KEPT_DATABASE_ROLE", "KEPT_PROCESS", "DEBUG", "SITE_URL")
        return {k: v for k, v in os.environ.items() if k not in foreign} | ours

    def template(self, name: str, *fillings: tuple[str, Mapping[str, Any]]) -> str:
        """A database with all tables, the policy, and what the SQL puts in; made once."""
        if name in self._templates:
            return name
        if name == "empty":
            self.postgres.make_database(name)
            self._manage(name, "migrate", "--verbosity", "0", role="owner")
            self._manage(name, "publish_policy", POLICY, "--yes", role="")
        else:
            self.copy(self.template("empty"), name)
        with self.superuser(name) as connection:
            connection.execute("SET session_replication_role = replica")
            for statement, parameters in fillings:
                connection.execute(statement.encode(), parameters or None)
            connection.execute("VACUUM (ANALYZE)")
        self._templates.add(name)
        return name

    def copy(self, template: str, name: str) -> str:
        """A database that is the template byte for byte; a former one of the name is gone."""
        self.drop(name)
        with self.superuser("postgres") as connection:
            for statement in (
                "CREATE DATABASE {0} TEMPLATE {1} STRATEGY FILE_COPY OWNER {2}",
                "REVOKE ALL ON DATABASE {0} FROM PUBLIC",
                "GRANT CONNECT ON DATABASE {0} TO {3}",
            ):
                names = (name, template, embedded.OWNER, embedded.RUNTIME)
                connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
        return name

    def drop(self, name: str) -> None:
        """Remove a database; what was dirty is written first, or the next run would pay for it."""
        self._templates.discard(name)
        self.postgres.drop_database(name)
        with self.superuser("postgres") as connection:
            connection.execute("CHECKPOINT")

    def ask(self, database: str, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query, for checking what a run left behind."""
        with self.superuser(database) as connection:
            return connection.execute(query.encode()).fetchall()

    def start(self, database: str, work: str, **arguments: Any) -> subprocess.Popen[str]:
        """Begin `module:function` in a process of its own, without waiting."""
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server", work, json.dumps(arguments)],
            cwd=CHECKOUT,
            env=self.environment(database),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, database: str, work: str, **arguments: Any) -> dict[str, Any]:
        """What `module:function` measured, run in a process of its own. Raises `Failed`."""
        return result(self.start(database, work, **arguments))

    def _manage(self, database: str, *words: str, role: str) -> None:
        environment = self.environment(database) | ({"KEPT_DATABASE_ROLE": role} if role else {})
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=CHECKOUT,
            env=environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise Failed(done.stdout + done.stderr)


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a measured process and read what it found. Raises `Failed`."""
    printed, complaints = process.communicate()
    if process.returncode:
        raise Failed(printed + complaints)
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def peak_memory() -> float:
    """The most memory this process ever had, in MB (10^6 bytes), read from Linux's own note."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def _main() -> None:
    """One measured process: `python -m benchmarks.server module:function '{"argument": 1}'`."""
    work, arguments = sys.argv[1:]
    import django

    django.setup()
    module, _, function = work.partition(":")
    found = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    print(json.dumps(found | {"peak_mb": peak_memory()}))


if __name__ == "__main__":
    _main()
