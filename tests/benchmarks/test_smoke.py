"""The benchmarks run at a small scale and print every figure; what they measure is not judged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("DATABASE_URL", "MIGRATE_DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("subject", "figures"),
    [
        ("sweep", ["Kept over hand-written SQL", "one worker over two", "longest transaction"]),
        ("erasure", ["10 rows, 200 bystanders", "1,000 rows, 200 bystanders"]),
        ("package", ["rows a second", "more memory for more rows"]),
        (
            "pages",
            ["our own middleware's share of the work", "review queue, 2,000 requests: queries"],
        ),
        ("promises", ["controls that could not be carried out"]),
    ],
)
def test_benchmark_prints_its_figures(subject: str, figures: list[str]) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in OURS}
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{subject}", "--rows", "2000"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [f for f in figures if f"  {f}" not in done.stdout] == []
    assert "at 2,000 rows limits judge nothing" in done.stdout
