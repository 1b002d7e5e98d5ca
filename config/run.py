"""`make run`: a whole site on one machine, with servers of its own, until Ctrl-C.

Everything it needs and everything it keeps lies in one state folder (`config.programs`). Each
policy file has a database of its own in there, so trying another site's policy leaves this one's
people be.
"""

import argparse
import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import redis

from config import embedded
from config.processes import Processes, reap, site_commands, tail, wait_until
from config.programs import (
    CHECKOUT,
    EmbeddedError,
    free_port,
    private_folder,
    read_private,
    state_folder,
    write_private,
)

READY_SECONDS = 60.0
# More new starts than this in so many seconds, and something is wrong that no start mends.
AGAIN_AT_MOST, AGAIN_SECONDS = 10, 60.0


class CannotRun(RuntimeError):
    """Why the site can't be started, in words for the terminal."""


class Run:
    """One run of one site, from the servers' start to their stop."""

    def __init__(self, *, port: int, policy: Path) -> None:
        self.port, self.policy = port, policy
        self.state = state_folder()
        site = re.sub(r"[^a-z0-9]+", "_", policy.stem.lower()).strip("_")
        self.database = f"kept_{site}"[:63]
        self.half_made = self.state / f"{self.database}.half-made"
        self.mails = private_folder(self.state / f"mail-{site}")
        self.mail_port = free_port()
        self.processes = Processes(self.state / "logs")
        self.stopping = threading.Event()
        self.again: list[float] = []  # when something was started again, lately

    def serve(self) -> None:
        """Start everything, say where it is, and wait for the end. Raises CannotRun."""
        with (self.state / "run.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CannotRun(f"this checkout already runs at {self._running_url()}") from None
            self._check_port()
            reap(read_private(self.state / "running.json").get("processes", []))
            with self._servers() as environment:
                try:
                    self._start(environment)
                    self._watch()
                finally:
                    self.processes.stop()
                    (self.state / "running.json").unlink(missing_ok=True)

    @contextlib.contextmanager
    def _servers(self) -> Iterator[dict[str, str]]:
        """Database and queue of the environment, or our own for as long as the site runs."""
        say("starting the database and the queue")
        with contextlib.ExitStack() as ending:
            environment = embedded.local_secrets(self.state)
            if not os.environ.get("DATABASE_URL"):
                stack = ending.enter_context(embedded.in_use(self.state))
                ending.callback(stack.postgres.stop)
                self._make_database(stack.postgres)
                environment |= stack.environment(database=self.database)
            if not os.environ.get("REDIS_URL"):
                valkey = embedded.Valkey(self.state)
                ending.callback(valkey.stop)
                valkey.start()
                self._clean_queue(valkey.url())
                environment["REDIS_URL"] = valkey.url()
            yield environment

    def _start(self, environment: dict[str, str]) -> None:
        write_private(self.state / "current.json", {"database": self.database})
        environment |= {
            "KEPT_ENV": "development",
            "SITE_URL": f"http://localhost:{self.port}",
            "EMAIL_URL": f"smtp://127.0.0.1:{self.mail_port}",
            "KEPT_MAIL_FOLDER": str(self.mails),
        }
        commands = site_commands(
            port=self.port, mail_port=self.mail_port, mail_folder=self.mails, state=self.state
        )
        self.processes.start(commands[0], environment)
        people = self._prepare(environment)
        for command in commands[1:]:
            self.processes.start(command, environment)
        notes = {"environment": environment, "processes": self.processes.notes()}
        write_private(self.state / "running.json", notes | {"url": environment["SITE_URL"]})
        self._wait_ready()
        if self.stopping.is_set():
            return
        log_ins = " · ".join(people) or "no demo people"
        mail = f"mail: /dev/mail/ (SMTP 127.0.0.1:{self.mail_port})"
        print(f"Kept runs at http://localhost:{self.port}/ · {log_ins} · {mail}", flush=True)

    def _make_database(self, postgres: embedded.Postgres) -> None:
        """This site's database; one whose first filling was interrupted is begun anew.

        The note stands from the database's making until the demo people are in it, so data that
        somebody worked with is never behind it.
        """
        if self.half_made.exists():
            postgres.drop_database(self.database)
        if postgres.make_database(self.database):
            self.half_made.touch()

    def _clean_queue(self, url: str) -> None:
        """Another site's tasks and heartbeat mean nothing to this one; rows are the truth."""
        previous = read_private(self.state / "current.json").get("database")
        with redis.Redis.from_url(url) as client:
            if previous != self.database:
                client.flushdb()
            for key in client.scan_iter("kept:*heartbeat"):
                client.delete(key)

    def _prepare(self, environment: dict[str, str]) -> list[str]:
        policy = str(self.policy)
        say("bringing the tables up to date")
        self._manage(environment, "migrate", "--verbosity", "0")
        # An empty site is given a policy of a year ago and a year of people who lived under it.
        say("filling the site with demo people")
        people = json.loads(self._manage(environment, "demo", "--policy", policy, "--json"))
        self.half_made.unlink(missing_ok=True)
        say(f"publishing {self.policy.name}")
        self._manage(environment, "publish_policy", policy, "--yes")
        return [describe(person) for person in people]

    def _manage(self, environment: dict[str, str], *words: str) -> str:
        """What a command prints. Raises CannotRun when it fails, KeyboardInterrupt at our end."""
        command = subprocess.Popen(
            [sys.executable, "manage.py", *words],
            cwd=CHECKOUT,
            env={"LOG_LEVEL": "WARNING", **os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if words[-1] != "--json" else None,
            text=True,
            start_new_session=True,
        )
        with command:
            while True:
                try:
                    printed, _ = command.communicate(timeout=0.2)
                    break
                except subprocess.TimeoutExpired:
                    if self.stopping.is_set():
                        command.kill()
        if self.stopping.is_set():
            raise KeyboardInterrupt
        if command.returncode:
            raise CannotRun(f"`manage.py {' '.join(words)}` failed:\n{printed.strip()}")
        return printed

    def _wait_ready(self) -> None:
        def settled() -> bool:
            return bool(self.stopping.is_set() or self.processes.ended() or self._ready())

        in_time = wait_until(settled, seconds=READY_SECONDS)
        self._raise_ended()
        if not in_time:
            raise CannotRun(f"not ready after {READY_SECONDS:.0f} s; see {self.processes.logs}")

    def _ready(self) -> bool:
        try:
            address = f"http://127.0.0.1:{self.port}/readyz?worker=1"
            with urllib.request.urlopen(address, timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _watch(self) -> None:
        """Until the end: whatever ends by itself is started again, as a service manager would."""
        while not self.stopping.wait(0.5):
            self._start_again()
            if not (self.state / "running.json").exists():
                raise CannotRun(f"somebody removed {self.state} under the running site")

    def _start_again(self) -> None:
        for name in self.processes.ended():
            now = time.monotonic()
            self.again = [at for at in self.again if now - at < AGAIN_SECONDS] + [now]
            if len(self.again) > AGAIN_AT_MOST:
                self._raise_ended()
            say(f"{name} ended by itself and is started again; see {self.processes.log_of(name)}")
            self.processes.start_again(name)
            notes = read_private(self.state / "running.json")
            if notes:
                notes["processes"] = self.processes.notes()
                write_private(self.state / "running.json", notes)

    def _raise_ended(self) -> None:
        for name in self.processes.ended():
            log = self.processes.log_of(name)
            raise CannotRun(f"{name} ended by itself; the end of {log}:\n{tail(log)}")

    def _check_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError:
                hint = f"make run PORT={self.port + 1}"
                raise CannotRun(f"port {self.port} is taken; try `{hint}`") from None

    def _running_url(self) -> str:
        return str(read_private(self.state / "running.json").get("url", "another terminal"))


def describe(person: dict[str, str]) -> str:
    """One demo person in a line: role, address, password and, for staff, the TOTP secret."""
    secret = person.get("totp_secret") or person.get("totp")
    words = f"{person['role']}: {person['email']} / {person['password']}"
    return f"{words} / TOTP {secret}" if secret else words


def say(step: str) -> None:
    """One line of progress."""
    print(f"  {time.strftime('%H:%M:%S')} {step}", file=sys.stderr, flush=True)


def main() -> None:
    """Read the options, run, and end with 0 after Ctrl-C or with 1 and a reason."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--policy", type=Path, required=True)
    options = parser.parse_args()
    if not (CHECKOUT / options.policy).is_file():
        sys.exit(f"make run: there is no policy file {options.policy}")
    os.environ["KEPT_ENV"] = "development"
    try:
        run = Run(port=options.port, policy=CHECKOUT / options.policy)

        def stop(number: int, frame: FrameType | None) -> None:
            run.stopping.set()

        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGHUP, stop)
        run.serve()
    except KeyboardInterrupt:
        pass
    except (CannotRun, EmbeddedError) as error:
        sys.exit(f"make run: {error}")
    print("Kept has stopped.", file=sys.stderr)


if __name__ == "__main__":
    main()
