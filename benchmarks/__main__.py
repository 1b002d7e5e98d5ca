"""All subjects in one run, or those named in the environment: `BENCH=sweep,pages`."""

import os

from benchmarks import erasure, package, pages, promises, sweep
from benchmarks.bench import main

SUBJECTS = {
    "pages": pages.measure,
    "promises": promises.measure,
    "erasure": erasure.measure,
    "package": package.measure,
    "sweep": sweep.measure,
}
wanted = os.environ.get("BENCH", "").replace(",", " ").split() or list(SUBJECTS)
main(*(SUBJECTS[name] for name in wanted))
