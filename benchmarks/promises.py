"""Checking all promises over full tables: no check may run into its limit."""

from __future__ import annotations

import time
from typing import Any, Final

from benchmarks.bench import Figure, Report, main
from benchmarks.pages import busy
from benchmarks.server import Server

TITLE: Final = "Checking the promises"
LIMIT: Final = 30.0  # seconds: the statement time-out of a control
SLOWEST: Final = 3


def measure(server: Server, report: Report) -> None:
    """All controls once; those that take longest are named."""
    rows = report.rows
    server.copy(busy(server, rows), "measured")
    found = server.run("measured", "benchmarks.promises:check")
    slowest = sorted(found["controls"].items(), key=lambda one: -one[1])
    report.add(
        TITLE,
        Figure(f"all {len(slowest)} controls, {rows:,} people and requests", found["seconds"], "s"),
        Figure("controls that could not be carried out", len(found["failed"]), most=0),
        *(
            Figure(f"{key}", milliseconds / 1000, "s", most=LIMIT)
            for key, milliseconds in slowest[:SLOWEST]
        ),
    )
    for key in found["failed"]:
        print(f"  could not be carried out: {key}", flush=True)


def check() -> dict[str, Any]:
    """Evaluate every promise of the policy in force."""
    from django.utils import timezone

    from audit.models import Evidence
    from policy import current, evaluation

    started = time.perf_counter()
    results = evaluation.evaluate(version=current.fresh(), now=timezone.now())
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "controls": {r.control.key: r.evidence.milliseconds for r in results},
        "failed": [r.control.key for r in results if r.evidence.outcome == Evidence.Outcome.FAILED],
    }


if __name__ == "__main__":
    main(measure)
