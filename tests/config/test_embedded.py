"""The embedded servers: private, kept across starts, adopted or reaped after a kill."""

import contextlib
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from config import embedded
from config.programs import EmbeddedError, private_folder, read_private

pytestmark = pytest.mark.slow


@pytest.fixture
def stack() -> Iterator[embedded.Stack]:
    base = "/var/tmp" if os.geteuid() == 0 else None
    folder = private_folder(Path(tempfile.mkdtemp(prefix="kept-embedded-", dir=base)))
    stack = embedded.Stack(folder, throwaway=True)
    yield stack
    stack.stop()
    shutil.rmtree(folder, ignore_errors=True)


def postmaster(stack: embedded.Stack) -> psutil.Process:
    lines = (stack.postgres.home / "data" / "postmaster.pid").read_text().splitlines()
    return psutil.Process(int(lines[0]))


def gone(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    return True


def test_data_survives_stop_start_and_kill(stack: embedded.Stack) -> None:
    stack.start()
    environment = stack.environment(database="kept_site")
    with psycopg.connect(environment["MIGRATE_DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE t AS SELECT 7 AS n")
    stack.stop()
    assert (stack.postgres.is_up(), stack.valkey.is_up()) == (False, False)

    stack.start()
    again = stack.environment(database="kept_site")
    with psycopg.connect(again["MIGRATE_DATABASE_URL"]) as connection:
        assert connection.execute("SELECT n FROM t").fetchall() == [(7,)]

    postmaster(stack).send_signal(signal.SIGKILL)
    os.kill(int(redis.Redis.from_url(again["REDIS_URL"]).info("server")["process_id"]), 9)
    stack.start()
    third = stack.environment(database="kept_site")
    with psycopg.connect(third["MIGRATE_DATABASE_URL"]) as connection:
        assert connection.execute("SELECT n FROM t").fetchall() == [(7,)]
    assert third == again  # the same addresses: whoever lost the servers finds them again
    processes = [
        postmaster(stack),
        psutil.Process(read_private(stack.valkey.notes)["pid"]),
    ]
    stack.stop()
    assert [gone(process) for process in processes] == [True, True]


def test_a_second_start_adopts_running_servers(stack: embedded.Stack) -> None:
    stack.start()
    before = postmaster(stack).pid
    other = embedded.Stack(stack.folder, throwaway=True)
    other.start()
    assert postmaster(stack).pid == before
    assert other.valkey.process is None  # it launched none of its own
    other.stop()
    assert not stack.postgres.is_up()
    assert not stack.valkey.is_up()


@pytest.mark.parametrize("all_of_it", [True, False])
def test_stop_ends_servers_whose_files_somebody_removed(
    stack: embedded.Stack, all_of_it: bool
) -> None:
    stack.start()
    processes = [postmaster(stack), psutil.Process(read_private(stack.valkey.notes)["pid"])]
    if all_of_it:
        shutil.rmtree(stack.folder)
    else:
        for each in stack.folder.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
    stack.stop()
    assert [gone(process) for process in processes] == [True, True]


def test_the_last_user_stops_the_database(stack: embedded.Stack) -> None:
    with embedded.in_use(stack.folder) as first:
        with embedded.in_use(stack.folder):
            pass
        assert first.postgres.is_up()
    assert not stack.postgres.is_up()


def test_what_is_secret_is_ours_alone(stack: embedded.Stack) -> None:
    stack.start()
    stack.environment(database="kept_site")
    files = [stack.postgres.notes, stack.valkey.notes, stack.folder / "secrets.json"]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * 3
    assert stat.S_IMODE((stack.postgres.home / "data").stat().st_mode) == 0o700
    lines = " ".join(" ".join(p.cmdline()) for p in psutil.process_iter() if not gone(p))
    passwords = [read_private(stack.valkey.notes)["password"]]
    passwords += [read_private(stack.postgres.notes)[r] for r in (embedded.OWNER, embedded.RUNTIME)]
    assert [password for password in passwords if password in lines] == []


def test_roles_have_no_more_rights_than_they_need(stack: embedded.Stack) -> None:
    stack.start()
    stack.environment(database="kept_site")
    with psycopg.connect(stack.postgres.url(embedded.SUPERUSER, "postgres")) as connection:
        rows = connection.execute(
            "SELECT rolname, rolsuper, rolcreaterole, rolbypassrls FROM pg_roles"
            " WHERE rolname IN ('kept_owner', 'kept_app') ORDER BY 1"
        ).fetchall()
    assert rows == [("kept_app", False, False, False), ("kept_owner", False, False, False)]
    runtime = stack.postgres.url(embedded.RUNTIME, "kept_site")
    with (
        psycopg.connect(runtime) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("CREATE TABLE t (n int)")


def test_private_folder_refuses_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(EmbeddedError):
        private_folder(tmp_path / "link")
