"""`publish_policy FILE`: check a policy file, show what it changes, publish it."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError
from django.utils import timezone

from audit.log import SYSTEM
from policy.publish import Plan, plan, publish
from policy.reading import PolicyError, load, read


class Command(BaseCommand):
    """Exit 1 and a list of every mistake when the file can't be published; nothing changes then."""

    help = "Publish a policy file: all of it, or nothing when anything is wrong with it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the policy file, for example policies/x.toml")
        parser.add_argument("--yes", action="store_true", help="publish without asking")
        parser.add_argument("--check", action="store_true", help="only say what would happen")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            source = load(path)
            now = timezone.now()
            if options["check"]:
                self._check(source, filename=str(path), now=now)
                return
            planned = plan(source=source, filename=str(path), now=now)
            self._show(planned)
            if planned.identical:
                return
            if not options["yes"] and not self._agreed():
                raise CommandError("Nothing was published.")
            result = publish(source=source, filename=str(path), actor=SYSTEM, now=now)
        except PolicyError as error:
            raise CommandError(_listed(error)) from None
        except (OperationalError, ProgrammingError) as error:
            why = "has no tables" if isinstance(error, ProgrammingError) else "can't be reached"
            raise CommandError(f"The database {why}; nothing was published.") from None
        if not result.created:
            self.stdout.write("Somebody else published this file just now; nothing to do.")
            return
        version = result.version
        self.stdout.write(
            self.style.SUCCESS(f"Published {version.site} {version.version}")
            + f" ({version.digest[:12]}), in force from {version.effective_at:%Y-%m-%d %H:%M} UTC."
        )

    def _check(self, source: bytes, *, filename: str, now: datetime) -> None:
        """What publishing would do; without a database, whether the file is right."""
        try:
            self._show(plan(source=source, filename=filename, now=now))
        except (OperationalError, ProgrammingError):
            document = read(source, filename=filename, today=now.date())
            site, release = document.site, document.release
            self.stdout.write(f"{site.name}, version {release.version}: no mistake found.")
            self.stdout.write("There is no database to compare it with.")

    def _show(self, planned: Plan) -> None:
        site, release = planned.document.site, planned.document.release
        self.stdout.write(f"{site.name}, version {release.version} ({planned.digest[:12]})")
        if planned.identical:
            self.stdout.write("This file is the version published last; nothing to do.")
            return
        if planned.base is None:
            count = len(planned.document.promises)
            self.stdout.write(f"The first version on this site, with {count} promises.")
        elif not planned.changes:
            self.stdout.write("Only comments or the layout changed.")
        for change in planned.changes:
            self.stdout.write(f"  {'!' if change.material else '·'} {change.sentence}")
        if planned.material:
            self.stdout.write("Changes marked ! are announced first.")
        self.stdout.write(f"In force from {planned.effective_at:%Y-%m-%d %H:%M} UTC.")
        if planned.older_data_at != planned.effective_at:
            self.stdout.write(f"For older data from {planned.older_data_at:%Y-%m-%d %H:%M} UTC.")

    def _agreed(self) -> bool:
        try:
            return input("Publish it? [y/N] ").strip().lower() in ("y", "yes")
        except EOFError:
            return False


def _listed(error: PolicyError) -> str:
    count = len(error.problems)
    found = "1 problem" if count == 1 else f"{count} problems"
    return "\n".join([*map(str, error.problems), f"{found}; nothing was published."])
