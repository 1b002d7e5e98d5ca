"""The processes of a site on one machine: started in order, watched, and ended in order."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from config.programs import CHECKOUT


@dataclass(frozen=True)
class Command:
    """One process to run: its name, its words, and how many seconds it gets to end by itself."""

    name: str
    words: list[str]
    patience: float = 10


def site_commands(*, port: int, mail_port: int, mail_folder: Path, state: Path) -> list[Command]:
    """Mail sink, web, worker and beat, as `make run` and the tests start them."""
    python = [sys.executable, "-m"]
    granian = ["granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    threads = ["--workers", "1", "--blocking-threads", "8", "--no-access-log", "--no-ws"]
    celery = [*python, "celery", "-A", "config.celery"]
    # Two queues of work on small machines; several workers are started by starting more of these.
    worker = ["worker", "--concurrency", "2", "--without-gossip", "--without-mingle"]
    beat = ["beat", "--schedule", str(state / "beat"), "--pidfile", ""]
    mail = ["config.mailsink", "--port", str(mail_port), "--folder", str(mail_folder)]
    return [
        Command("mail", [*python, *mail], patience=5),
        Command("web", [*python, *granian, *threads, "config.wsgi:application"]),
        Command("worker", [*celery, *worker, "--loglevel", "INFO"], patience=20),
        Command("beat", [*celery, *beat, "--loglevel", "INFO"]),
    ]


@dataclass
class Processes:
    """Running commands; each in a session of its own, so that Ctrl-C reaches only the starter."""

    logs: Path
    running: dict[str, tuple[Command, subprocess.Popen[bytes]]] = field(default_factory=dict)
    environments: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def start(self, command: Command, environment: Mapping[str, str]) -> None:
        """Start one command; what it says goes into its log file."""
        self.environments[command.name] = environment
        self.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.log_of(command.name).open("ab") as log:
            process = subprocess.Popen(
                command.words,
                cwd=CHECKOUT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.running[command.name] = (command, process)

    def start_again(self, name: str) -> None:
        """Start a command that has ended once more, after whatever it left behind is gone."""
        command, process = self.running.pop(name)
        _kill_session(process.pid)
        self.start(command, self.environments[name])

    def log_of(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def ended(self) -> list[str]:
        """Names of those that are no longer running."""
        return [n for n, (_, process) in self.running.items() if process.poll() is not None]

    def notes(self) -> list[dict[str, float]]:
        """What it takes to find these processes again after we were killed."""
        found = []
        for _, process in self.running.values():
            try:
                created = psutil.Process(process.pid).create_time()
            except psutil.NoSuchProcess:
                continue
            found.append({"pid": process.pid, "created": created})
        return found

    def stop(self) -> None:
        """End all: first whoever makes work (beat), then web, then worker, mail last."""
        for name in ("beat", "web", "worker", "mail"):
            if name in self.running:
                command, process = self.running.pop(name)
                end_family(process.pid, patience=command.patience)
                process.wait()


def end_family(pid: int, *, patience: float) -> None:
    """TERM to a process, KILL after `patience` seconds to it and to whatever it left behind."""
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
        parent.terminate()
    except psutil.NoSuchProcess:
        return
    psutil.wait_procs([parent], timeout=patience)
    _, alive = psutil.wait_procs(family, timeout=2)
    for process in alive:
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            process.kill()


def _kill_session(leader: int) -> None:
    """Kill what a process that is gone left running: all of its session, which was its own."""
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader:
                process.kill()
        except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            continue


def reap(notes: list[dict[str, float]]) -> None:
    """End what a killed run left behind: same id and same time of birth, so never a stranger."""
    for note in notes:
        try:
            process = psutil.Process(int(note["pid"]))
            if process.create_time() == note["created"]:
                end_family(process.pid, patience=5)
        except psutil.NoSuchProcess:
            continue


def tail(file: Path, lines: int = 25) -> str:
    """The last lines of a log, to show why something ended."""
    try:
        return "\n".join(file.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def wait_until(condition: Callable[[], bool], *, seconds: float, every: float = 0.2) -> bool:
    """Ask until it is true; False when the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(every)
    return False
