"""The access package: a person with very many rows gets all of them, encrypted."""

from __future__ import annotations

import time
from typing import Any, Final

from benchmarks import crowd
from benchmarks.bench import Figure, Report, main
from benchmarks.server import Server

TITLE: Final = "Access package of one person, written and encrypted"
SMALL: Final = 10_000


def measure(server: Server, report: Report) -> None:
    """One person with few rows, and one with as many as the scale says."""
    rows = report.rows
    names = {min(SMALL, rows // 10): "small", rows: "large"}
    fillings = [crowd.people(1, name=name) for name in names.values()] + [crowd.accounts()]
    for count, name in names.items():
        fillings += crowd.five_holdings(count, name=name)
    server.copy(server.template("hoarders", *fillings), "measured")
    small, large = (
        server.run("measured", "benchmarks.package:build", name=name) for name in names.values()
    )
    report.add(
        TITLE,
        Figure(f"{large['rows']:,} rows in five holdings", large["seconds"], "s"),
        Figure("size", large["bytes"] / 1e6, "MB"),
        Figure("rows a second", large["rows"] / large["seconds"], least=20_000),
        Figure(f"peak memory at {small['rows']:,} rows", small["peak_mb"], "MB"),
        Figure(f"peak memory at {large['rows']:,} rows", large["peak_mb"], "MB"),
        Figure("more memory for more rows", large["peak_mb"] - small["peak_mb"], "MB", most=20),
    )
    server.drop("hoarders")


def build(name: str) -> dict[str, Any]:
    """The whole package of the person whose address begins so, into a file on the disk."""
    import tempfile

    from django.utils import timezone

    from datamap.models import Subject
    from policy import current
    from requests import package

    now = timezone.now()
    subject = Subject.objects.get(email__startswith=name)
    with tempfile.TemporaryFile() as target:
        started = time.perf_counter()
        built = package.build(
            subject_id=subject.pk,
            document=current.document(now),
            language="en",
            now=now,
            target=target,
            progress=lambda progress: None,
        )
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "rows": built.rows, "bytes": built.size}


if __name__ == "__main__":
    main(measure)
