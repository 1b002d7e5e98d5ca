"""Figures beside their limits: measured, judged, printed, and written into the documentation."""

from __future__ import annotations

import argparse
import os
import platform
import re
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.server import TUNED, Server

FULL: Final = 1_000_000
DOCUMENT: Final = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
BLOCK: Final = re.compile(r"(<!-- results -->\n).*(<!-- /results -->)", re.DOTALL)


@dataclass(frozen=True)
class Figure:
    """One measured number. most, least: its limit, if it has one."""

    name: str
    value: float
    unit: str = ""
    most: float | None = None
    least: float | None = None

    @property
    def limit(self) -> str:
        """The limit as people read it, empty when there is none."""
        if self.most is not None:
            return f"≤ {shown(self.most)} {self.unit}".rstrip()
        return f"≥ {shown(self.least)} {self.unit}".rstrip() if self.least is not None else ""

    @property
    def verdict(self) -> str:
        """`kept`, `MISSED`, or empty without a limit."""
        if self.most is None and self.least is None:
            return ""
        over = self.most is not None and self.value > self.most
        under = self.least is not None and self.value < self.least
        return "MISSED" if over or under else "kept"


class Report:
    """What one run found, printed as it comes."""

    def __init__(self, *, rows: int) -> None:
        self.rows = rows
        self.figures: dict[str, list[Figure]] = {}
        self.began = datetime.now(UTC)

    @property
    def full(self) -> bool:
        """Whether it was measured at the scale of the limits."""
        return self.rows >= FULL

    @property
    def missed(self) -> list[Figure]:
        """Figures beyond their limits."""
        return [f for each in self.figures.values() for f in each if f.verdict == "MISSED"]

    def add(self, title: str, *figures: Figure) -> None:
        """Take figures into the subject's table and print them."""
        if title not in self.figures:
            print(f"\n{title}", flush=True)
        self.figures.setdefault(title, []).extend(figures)
        for figure in figures:
            value = f"{shown(figure.value)} {figure.unit}"
            print(f"  {figure.name:<66}{value:>16}  {figure.limit:<14}{figure.verdict}", flush=True)

    def write(self) -> None:
        """Put the results into docs/benchmarks.md."""
        text, found = BLOCK.subn(
            lambda match: f"{match[1]}{self._results()}{match[2]}", DOCUMENT.read_text()
        )
        if not found:
            raise ValueError(f"{DOCUMENT} has no place for results")
        DOCUMENT.write_text(text)

    def _results(self) -> str:
        minutes = (datetime.now(UTC) - self.began).total_seconds() / 60
        lines = [
            f"Measured on {self.began:%Y-%m-%d}, {self.rows:,} rows, in {minutes:.0f} minutes.",
            machine(),
            "",
        ]
        for title, figures in self.figures.items():
            lines += [f"### {title}", "", "| Figure | Measured | Limit | |"]
            lines += ["| --- | --: | --: | --- |", *map(_row, figures), ""]
        return "\n".join(lines)


def _row(figure: Figure) -> str:
    value = f"{shown(figure.value)} {figure.unit}".rstrip()
    return f"| {figure.name} | {value} | {figure.limit} | {figure.verdict} |"


def shown(value: float | None) -> str:
    """A number with as many digits as mean something."""
    if value is None:
        return ""
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def machine() -> str:
    """What it was measured on, in a sentence."""
    words = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", words)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[1]
    return (
        f"{model[1].strip() if model else platform.machine()}, {cores} cores, {memory:.0f} GB; "
        f"Python {platform.python_version()}, Django {version('Django')}, "
        f"psycopg {version('psycopg')}, Postgres {POSTGRES[0]} with "
        + ", ".join(f"{k} = {v}" for k, v in TUNED.items())
        + f". Load over the last five minutes: {load:.1f}."
    )


POSTGRES: Final = [""]


def middle(found: Sequence[dict[str, Any]], key: str) -> float:
    """The median of one number of several measurements."""
    return float(median(each[key] for each in found))


def ratio(one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]], key: str) -> float:
    """The median of the quotients of measurements that were made side by side."""
    return float(median(a[key] / b[key] for a, b in zip(one, other, strict=True)))


def main(*subjects: Callable[[Server, Report], None]) -> None:
    """Measure the subjects; exits with 1 when a limit is missed at full scale."""
    parser = argparse.ArgumentParser(description=__doc__)
    rows = int(os.environ.get("ROWS") or FULL)
    parser.add_argument("--rows", type=int, default=rows, help="scale; limits hold at a million")
    parser.add_argument("--write", action="store_true", help=f"write the results into {DOCUMENT}")
    options = parser.parse_args()
    report = Report(rows=options.rows)
    # The server must not outlive us.
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(143))
    with Server() as server:
        POSTGRES[0] = server.ask("postgres", "SHOW server_version")[0][0].split()[0]
        print(machine(), flush=True)
        for subject in subjects:
            subject(server, report)
    if options.write and report.full and not os.environ.get("BENCH"):
        report.write()
    missed = report.missed
    print(f"\n{len(missed)} limits missed" if missed else "\nevery limit kept", end="")
    print("" if report.full else f"; at {options.rows:,} rows limits judge nothing")
    sys.exit(1 if missed and report.full else 0)
