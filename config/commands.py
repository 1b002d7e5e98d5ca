"""How `manage.py` finds its database: the environment's, the running stack's, or one for itself.

In a checkout with its own `.venv` (what `make setup` makes) commands are development commands
unless KEPT_ENV, DATABASE_URL or SECRET_KEY say otherwise. Elsewhere production is the default.
"""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

# These never ask the database anything.
WITHOUT_DATABASE = {
    "",
    "help",
    "version",
    "check",
    "collectstatic",
    "compilemessages",
    "diffsettings",
    "makemessages",
    "makemigrations",
    "policy_schema",
    "spectacular",
    "startapp",
}
# These change tables, so they run as the owner of the database (MIGRATE_DATABASE_URL).
AS_OWNER = {"flush", "migrate", "pgtrigger", "sqlmigrate", "sqlflush"}
CHECKOUT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> None:
    """Run one command with the right environment, database and role."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    command = next((word for word in arguments[1:] if not word.startswith("-")), "")
    choose_profile()
    if command in AS_OWNER:
        os.environ.setdefault("KEPT_DATABASE_ROLE", "owner")
    if command == "makemigrations" and not os.environ.get("DATABASE_URL"):
        # Without a database it can't compare with what was applied, and needn't.
        warnings.filterwarnings("ignore", message="Got an error checking a consistent migration")
    with local_servers(command):
        from django.core.management import execute_from_command_line

        execute_from_command_line(arguments)


def choose_profile() -> None:
    """Development for a checkout's own environment, if nothing says production."""
    told = ("KEPT_ENV", "DATABASE_URL", "DATABASE_URL_FILE", "SECRET_KEY", "SECRET_KEY_FILE")
    if not any(os.environ.get(name) for name in told) and Path(sys.prefix).parent == CHECKOUT:
        os.environ["KEPT_ENV"] = "development"


@contextlib.contextmanager
def local_servers(command: str) -> Iterator[None]:
    """In development without DATABASE_URL: join the embedded servers, or start the database."""
    local = os.environ.get("KEPT_ENV") == "development" and not os.environ.get("DATABASE_URL")
    if not local or command in WITHOUT_DATABASE:
        yield
        return
    from config import embedded
    from config.programs import read_private, state_folder

    folder = state_folder()
    with embedded.in_use(folder) as stack:
        found = stack.environment(database=embedded.current_database(folder))
        found |= read_private(folder / "running.json").get("environment", {})
        os.environ.update({key: value for key, value in found.items() if not os.environ.get(key)})
        yield
