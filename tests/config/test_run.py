"""`make run` itself: up with demo people, gone after Ctrl-C, and with its data the second time."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from config.demo.year import CROWD
from config.programs import CHECKOUT, free_port, private_folder
from tests.plugins.live import without_test_settings

pytestmark = pytest.mark.slow
UP_SECONDS = 180
POLICY = "policies/wecustomers.toml"


@pytest.fixture
def state() -> Iterator[Path]:
    base = "/var/tmp" if os.geteuid() == 0 else None
    folder = private_folder(Path(tempfile.mkdtemp(prefix="kept-run-", dir=base)))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


class Started:
    """A `make run` with a state folder of its own."""

    def __init__(self, state: Path, port: int) -> None:
        hidden = ("REDIS_URL", "SECRET_KEY", "LOG_LEVEL")
        inherited = {k: v for k, v in without_test_settings().items() if not k.startswith(hidden)}
        self.url = f"http://127.0.0.1:{port}"
        self.output = state / f"output-{port}"
        with self.output.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.run", "--port", str(port), "--policy", POLICY],
                cwd=CHECKOUT,
                env={**inherited, "KEPT_STATE_DIR": str(state)},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def announcement(self) -> str:
        """The one line that says it is up."""
        end = time.monotonic() + UP_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            for line in self.output.read_text().splitlines():
                if line.startswith("Kept runs at"):
                    return line
            time.sleep(0.2)
        raise AssertionError(self.output.read_text())

    def interrupt(self) -> int:
        """Ctrl-C, once; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def wait_for(self, words: str) -> None:
        """Until this was printed."""
        end = time.monotonic() + UP_SECONDS
        while words not in self.output.read_text():
            is_going_on = time.monotonic() < end and self.process.poll() is None
            assert is_going_on, self.output.read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.interrupt()


def processes_of(state: Path) -> list[str]:
    """Whatever still runs with this state folder in its command line or environment."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.environ().get("KEPT_STATE_DIR", "")]
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if process.pid != os.getpid() and str(state) in " ".join(words):
            found.append(" ".join(words))
    return found


def people_of(line: str) -> list[str]:
    return re.findall(r"(\S+@\S+) /", line)


def test_run_serves_and_leaves_nothing_and_keeps_its_data(state: Path) -> None:
    interrupted = Started(state, free_port())
    interrupted.wait_for("filling the site")
    time.sleep(3)
    interrupted.kill()
    assert processes_of(state) == []

    first = Started(state, free_port())
    try:
        announcement = first.announcement()
        with urllib.request.urlopen(f"{first.url}/readyz?worker=1", timeout=10) as answer:
            assert answer.status == 200
        with urllib.request.urlopen(f"{first.url}/policy/", timeout=10) as answer:
            assert answer.status == 200
        with urllib.request.urlopen(f"{first.url}/dev/mail/?format=json", timeout=10) as answer:
            assert answer.headers["Content-Type"] == "application/json"
        assert len(people_of(announcement)) >= 3
        beside = Started(state, free_port())
        assert beside.process.wait(30) == 1
        assert "already runs at" in beside.output.read_text()
        count = count_people(state)
        assert count == len(people_of(announcement)) + CROWD
        assert first.interrupt() == 0
    finally:
        first.kill()
    assert processes_of(state) == []

    second = Started(state, free_port())
    try:
        assert people_of(second.announcement()) == people_of(announcement)
        assert count_people(state) == count
    finally:
        second.kill()
    assert processes_of(state) == []


def count_people(state: Path) -> int:
    """How many people the site has, asked by a command beside the running site."""
    code = "from datamap.models import Subject; print('people', Subject.objects.count())"
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", code],
        cwd=CHECKOUT,
        env={
            **{
                k: v
                for k, v in without_test_settings().items()
                if k not in {"REDIS_URL", "SECRET_KEY"}
            },
            "KEPT_STATE_DIR": str(state),
            "KEPT_ENV": "development",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    (count,) = re.findall(r"people (\d+)", done.stdout)
    return int(count)
