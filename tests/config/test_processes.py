"""Processes that end by themselves are started again, alone."""

import os
import signal
import sys
from pathlib import Path

import psutil

from config.processes import Command, Processes, wait_until

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


def test_killed_process_is_started_again_without_what_it_left(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    said = processes.log_of("worker")

    def children() -> list[int]:
        return [int(line) for line in said.read_text().split()] if said.exists() else []

    try:
        processes.start(Command("worker", [sys.executable, "-c", PARENT], patience=2), {})
        assert wait_until(lambda: len(children()) == 1, seconds=20)
        assert processes.ended() == []
        os.kill(processes.running["worker"][1].pid, signal.SIGKILL)
        assert wait_until(lambda: processes.ended() == ["worker"], seconds=10)
        assert psutil.pid_exists(children()[0])

        processes.start_again("worker")

        assert wait_until(lambda: len(children()) == 2, seconds=20)
        assert processes.ended() == []
        assert wait_until(lambda: not _runs(children()[0]), seconds=10)
        assert _runs(children()[1])
    finally:
        processes.stop()
    assert wait_until(lambda: not _runs(children()[1]), seconds=10)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
