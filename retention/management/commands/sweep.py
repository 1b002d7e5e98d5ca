"""`manage.py sweep`: end what is past its period, after showing what that is."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse
from django.utils import timezone

from datamap.registry import UnknownHolding
from policy.current import NoPolicy
from retention.models import SweepRun
from retention.sweep import sweep

BRAKED = 3  # the exit code when rules wait for an administrator


class Command(BaseCommand):
    help = "Delete or anonymise everything whose period in the policy is over."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--holding", help="only the rules over this holding")
        parser.add_argument("--dry-run", action="store_true", help="count, change nothing")
        parser.add_argument("--yes", action="store_true", help="don't ask")

    def handle(self, *args: Any, holding: str | None, dry_run: bool, yes: bool, **o: Any) -> None:
        try:
            if dry_run or not yes:
                self.show(sweep(now=timezone.now(), holding=holding, dry_run=True))
            if dry_run:
                return
            if not yes and input("Do this now? Type yes: ") != "yes":
                raise CommandError("nothing was changed")
            run = sweep(now=timezone.now(), holding=holding)
        except (UnknownHolding, NoPolicy) as error:
            raise CommandError(str(error)) from None
        self.show(run)
        if run.steps.filter(braked=True).exists():
            raise CommandError(
                "the brake holds some rules: decide at " + reverse("retention:sweeps"),
                returncode=BRAKED,
            )
        if run.state == SweepRun.State.FAILED:
            raise CommandError("some rules could not be carried out")

    def show(self, run: SweepRun) -> None:
        """One line per rule, and the sum."""
        words = "would go" if run.dry_run else "gone"
        total = held_rows = 0
        for step in run.steps.all():
            what = f"{step.action:<10} {step.holding} by {step.clock} up to {step.until:%F %T} UTC"
            self.stdout.write(f"{step.rows:>10}  {what}")
            if step.braked:
                held = "would be braked" if run.dry_run else "braked"
                of_all = f"{step.due_rows} of {step.table_rows or 'all'} rows are due"
                self.stderr.write(f"            {held}: {of_all}, more than may go in a day")
            if step.error:
                self.stderr.write(f"            not done: {step.error}")
            if run.dry_run and step.braked:
                held_rows += step.rows
            else:
                total += step.rows
        self.stdout.write(f"{total:>10}  rows {words}")
        if held_rows:
            self.stdout.write(f"{held_rows:>10}  rows would wait for an administrator")
