"""`make test`: makes sure of a browser, then runs pytest on the processors there are."""

import os
import subprocess
import sys

from tests.plugins.browser import REASON, find_chromium

# More workers than this only wait for the one Postgres they share.
MOST_WORKERS = 4


def ensure_browser() -> None:
    """Install Chromium where that is possible; without one say so, and in CI end with an error."""
    if find_chromium() or os.environ.get("KEPT_CHROMIUM"):
        return
    if os.geteuid() == 0:
        print("make test: installing Chromium by apt-get", flush=True)
        update = ["apt-get", "update", "-qq"]
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"]
        _ = _try(update) and _try(install)
    if not find_chromium():
        print("make test: asking Playwright for its Chromium", flush=True)
        _try([sys.executable, "-m", "playwright", "install", "chromium"])
    if not find_chromium():
        print(f"make test: {REASON}", flush=True)
        if os.environ.get("CI") == "true":
            sys.exit(1)
        print("make test: the browser tests will be skipped", flush=True)


def _try(command: list[str]) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, env=environment, stdout=subprocess.DEVNULL, timeout=600, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def main(arguments: list[str]) -> None:
    """Run pytest in place of this process, so that its exit code is ours."""
    ensure_browser()
    workers = min(os.cpu_count() or 1, MOST_WORKERS)
    spread = ["-n", str(workers), "--dist", "loadgroup"] if workers > 1 else []
    command = [sys.executable, "-m", "pytest", *spread, *arguments]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main(sys.argv[1:])
