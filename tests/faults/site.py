"""A whole site of its own whose every process can be killed and started again, one by one."""

from __future__ import annotations

import contextlib
import http.client
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
import psycopg
import redis

from config.embedded import OWNER, Stack
from config.processes import Command, Processes, end_family, site_commands, wait_until
from config.programs import free_port, private_folder, read_private, write_private
from tests.plugins.live import LiveSite, clean, wait_ready
from tests.plugins.postgres import BASE

DATABASE = "kept_faults"
PREFIX = "kept-faults-"
CSRF = "c" * 32
# What comes every 30 seconds in production comes every second; leases last as long as there.
SETTINGS = {
    "KEPT_ENV": "test",
    "KEPT_TICK_SPEED": "60",
    # The same tables are swept empty again and again, which is what the brake is there against.
    "KEPT_SWEEP_BRAKE_SHARE": "1000000",
    "KEPT_SWEEP_BRAKE_FLOOR": "1000000000",
}


class Site:
    """Postgres and Valkey as durable as in production, mail sink, web, worker and beat."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = Stack(folder)
        self.stack.start()
        self.port, self.mail_port = free_port(), free_port()
        self.mail_folder = private_folder(folder / "mail")
        self.processes = Processes(folder / "logs")
        self.environment = self._variables()
        self.packages = Path(self.environment["PACKAGES_ROOT"])
        self.live = LiveSite(
            url=f"http://127.0.0.1:{self.port}",
            environment=self.environment,
            owner_url=self.stack.postgres.url(OWNER, DATABASE),
            mail_folder=self.mail_folder,
            processes=self.processes,
        )
        commands = site_commands(
            port=self.port, mail_port=self.mail_port, mail_folder=self.mail_folder, state=folder
        )
        self.commands: dict[str, Command] = {command.name: command for command in commands}

    def _variables(self) -> dict[str, str]:
        return self.stack.environment(database=DATABASE) | {
            **SETTINGS,
            "SITE_URL": f"http://localhost:{self.port}",
            "EMAIL_URL": f"smtp://127.0.0.1:{self.mail_port}",
            "KEPT_MAIL_FOLDER": str(self.mail_folder),
            "KEPT_STATE_DIR": str(self.folder),
        }

    # --- starting and killing -------------------------------------------------------------------

    def start(self, name: str) -> None:
        """Start a process or server of this name again; one that runs is left alone."""
        if name == "postgres":
            self.stack.postgres.start()
        elif name == "valkey":
            self.stack.valkey.start()
        elif not self.runs(name):
            self.start_command(self.commands[name])

    def start_command(self, command: Command) -> None:
        """Start any process with the site's environment."""
        self.processes.start(command, clean(self.environment))

    def start_all(self) -> None:
        """Whatever does not run is started, servers first."""
        for name in ("postgres", "valkey", *self.commands):
            self.start(name)

    def start_ended(self) -> None:
        """What ended by itself is started again, as `make run` and any service manager do: the
        queue's library sometimes ends a worker whose broker went away.
        """
        for name in self.processes.ended():
            self.processes.start_again(name)

    def runs(self, name: str) -> bool:
        return name in self.processes.running and name not in self.processes.ended()

    def wait_ready(self) -> None:
        """Until /readyz?worker=1 is green."""
        wait_ready(self.live)

    def wait_idle(self) -> None:
        """Until nothing waits in the queue: the board's first round is behind us."""

        def idle() -> bool:
            with redis.Redis.from_url(self.environment["REDIS_URL"]) as client:
                return not client.llen("celery") and not client.hlen("unacked")

        assert wait_until(idle, seconds=120), self.story()

    def kill(self, target: str) -> str:
        """SIGKILL, without a word before; the name of what then has to be started again, or "".

        A process's name kills it with its children; `worker-head` and `worker-hand` kill only the
        head or one of the hands, `backend` one connection's server process of Postgres.
        """
        if target == "postgres":
            _kill(self._postmaster())
            return target
        if target == "backend":
            self._kill_backend()
            return ""
        if target == "valkey":
            _kill(psutil.Process(self._valkey_pid()))
            return target
        name, _, part = target.partition("-")  # names of processes have no hyphen
        head = psutil.Process(self.processes.running[name][1].pid)
        hands = head.children(recursive=True)
        if part == "hand":
            _kill(*hands[:1])
            return ""
        _kill(head, *([] if part == "head" else hands))
        self.processes.running[name][1].wait()
        return name

    def stop(self, name: str) -> None:
        """Stop a server in order."""
        (self.stack.postgres if name == "postgres" else self.stack.valkey).stop()

    def flush_valkey(self) -> None:
        """Forget every queue, cache and lock there is."""
        with redis.Redis.from_url(self.environment["REDIS_URL"]) as client:
            client.flushall()

    def freeze(self, name: str) -> psutil.Process:
        """A server that still takes connections and answers nothing; `resume()` wakes it."""
        assert name == "valkey"
        process = psutil.Process(self._valkey_pid())
        process.suspend()
        return process

    def close(self) -> None:
        """End everything and remove the folder."""
        with contextlib.suppress(psycopg.Error, OSError):
            self.stack.start()
        self.processes.stop()
        for process in self.orphans():
            end_family(process.pid, patience=5)
        self.stack.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def orphans(self) -> list[psutil.Process]:
        """Processes of this site that nobody counts any more: left over by a killed parent."""
        known = {psutil.Process(p.pid) for _c, p in self.processes.running.values()}
        known |= {child for parent in list(known) for child in parent.children(recursive=True)}
        return [process for process in processes_of(self.folder) if process not in known]

    def _postmaster(self) -> psutil.Process:
        lines = (self.stack.postgres.home / "data" / "postmaster.pid").read_text().splitlines()
        return psutil.Process(int(lines[0]))

    def _kill_backend(self) -> None:
        """The server process of a connection that works, if there is one."""
        with contextlib.suppress(psycopg.Error, psutil.NoSuchProcess):
            found = self.sql(
                "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'kept-%%'"
                " ORDER BY state = 'idle', application_name <> 'kept-worker', pid LIMIT 1"
            )
            if found:
                _kill(psutil.Process(found[0][0]))

    def _valkey_pid(self) -> int:
        with redis.Redis.from_url(self.environment["REDIS_URL"]) as client:
            return int(client.info("server")["process_id"])

    # --- looking --------------------------------------------------------------------------------

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query, asked as the owner of the tables; waits for a server that recovers."""
        end = time.monotonic() + 20
        while True:
            try:
                return self.live.sql(query, *values)
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def value(self, query: str, *values: Any) -> Any:
        """The one value of a query."""
        ((found,),) = self.sql(query, *values)
        return found

    def arrived(self) -> dict[str, int]:
        """Message-ID → how often that message arrived at the sink."""
        found: dict[str, int] = {}
        for file in self.mail_folder.glob("*.eml"):
            match = re.search(rb"(?im)^Message-ID:\s*(<[^>]+>)", file.read_bytes())
            assert match is not None, file
            identifier = match[1].decode()
            found[identifier] = found.get(identifier, 0) + 1
        return found

    def story(self) -> str:
        """What to read when something was not done: open work, and the worker's last warnings."""
        rows = self.sql(
            "SELECT 'erasure', id::text, state, attempts::text, error, lease_until::text"
            " FROM retention_erasure WHERE finished_at IS NULL"
            " UNION ALL SELECT 'message', id::text, state, attempts::text, failure, due_at::text"
            " FROM consent_message WHERE state IN ('queued', 'sending')"
            " UNION ALL SELECT 'case', id::text, state, '', '', contest_until::text"
            " FROM retention_childcase WHERE closed_at IS NULL LIMIT 30"
        )
        lines = self.processes.log_of("worker").read_text(errors="replace").splitlines()
        loud = [line[:400] for line in lines if "[info " not in line][-15:]
        return "\n".join([str(self.value("SELECT now()::text")), *map(str, rows), *loud])


def _kill(*processes: psutil.Process) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    psutil.wait_procs(list(processes), timeout=5)


def processes_of(folder: Path) -> list[psutil.Process]:
    """Web, worker, beat and mail sink of the site in this folder, however they came to be."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            mine = process.environ().get("KEPT_STATE_DIR") == str(folder)
            if mine and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def reap_leftovers() -> None:
    """End and remove the sites of test runs that were killed."""
    for folder in BASE.glob(f"{PREFIX}*"):
        owner = read_private(folder / "owner.json")
        with contextlib.suppress(psutil.NoSuchProcess):
            if not owner or psutil.Process(owner["pid"]).create_time() == owner["created"]:
                continue
        _kill(*processes_of(folder))
        Stack(folder).stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running_site() -> Iterator[Site]:
    """A site that is up with its tables; no policy yet."""
    reap_leftovers()
    folder = private_folder(Path(tempfile.mkdtemp(prefix=PREFIX, dir=BASE)))
    me = psutil.Process()
    write_private(folder / "owner.json", {"pid": me.pid, "created": me.create_time()})
    site = Site(folder)
    try:
        site.live.manage("migrate", "--verbosity", "0")
        yield site
    finally:
        site.close()


@dataclass(frozen=True)
class Answer:
    """What a page said: status 0 without an answer; `where` it sends people on to."""

    status: int
    body: str
    where: str
    seconds: float


def ask(
    site: Site,
    path: str,
    *,
    cookie: str = "",
    fields: Mapping[str, str] | None = None,
    timeout: float = 15,
) -> Answer:
    """GET a page, or POST `fields` to it, as the browser whose session this is."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=timeout)
    headers = {"Cookie": f"csrf={CSRF}" + (f"; session={cookie}" if cookie else "")}
    try:
        if fields is None:
            connection.request("GET", path, headers=headers)
        else:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            form = urlencode({"csrfmiddlewaretoken": CSRF, **fields})
            connection.request("POST", path, form, headers)
        answer = connection.getresponse()
        found = answer.status, answer.read().decode(errors="replace")
        where = answer.headers.get("Location", "")
    except (OSError, http.client.HTTPException) as error:
        found, where = (0, type(error).__name__), ""
    finally:
        connection.close()
    return Answer(*found, where, time.monotonic() - began)


def eventually(site: Site, condition: str, *, seconds: float, every: float = 0.3) -> bool:
    """Wait for a query of one boolean."""
    return wait_until(lambda: bool(site.value(condition)), seconds=seconds, every=every)
