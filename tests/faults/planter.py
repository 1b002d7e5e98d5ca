"""The process that plants: a line of JSON orders in, a line of answers out.

Started with the site's environment. All orders of a line become visible in one commit, so all work
begins at the same instant. Orders come while nothing is killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import TracebackType
from typing import Any

from config.programs import CHECKOUT
from tests.faults.site import Site
from tests.plugins.live import clean

# The name of a function of `planting` under `plant`, and what it is called with.
Order = dict[str, Any]


class Planter:
    """Orders to `tests.faults.planting` inside the site."""

    def __init__(self, site: Site) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.planter"],
            cwd=CHECKOUT,
            env={**os.environ, **clean(site.environment)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def plant(self, *orders: Order) -> list[dict[str, Any]]:
        """Have these planted; what was planted for each."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(orders), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        assert answer, "planting failed; see the traceback on stderr"
        found: list[dict[str, Any]] = json.loads(answer)
        return found

    def __enter__(self) -> Planter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def main() -> None:
    """Serve orders until stdin ends."""
    import django

    django.setup()
    from django.db import close_old_connections, transaction
    from django.utils import timezone

    from tests.faults import planting

    for line in sys.stdin:
        close_old_connections()
        with transaction.atomic():
            done = [
                getattr(planting, order.pop("plant"))(**order, now=timezone.now())
                for order in json.loads(line)
            ]
        print(json.dumps(done), flush=True)


if __name__ == "__main__":
    main()
