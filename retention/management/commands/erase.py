"""`manage.py erase SUBJECT --reason R`: erase one person, after showing what that means."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from audit.log import SYSTEM
from datamap.models import Subject
from retention import erase
from retention.models import Erasure

PATIENCE_SECONDS = 60


class Command(BaseCommand):
    help = "Erase everything about one person, named by the subject's id."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("subject", type=UUID)
        parser.add_argument("--reason", required=True, help="a short key for the record")
        parser.add_argument("--dry-run", action="store_true", help="count, change nothing")
        parser.add_argument("--yes", action="store_true", help="don't ask")

    def handle(
        self, *args: Any, subject: UUID, reason: str, dry_run: bool, yes: bool, **o: Any
    ) -> None:
        if not Subject.objects.filter(pk=subject).exists():
            raise CommandError(f"no subject has the id {subject}")
        if dry_run or not yes:
            self.preview(subject)
        if dry_run:
            return
        if not yes and input("Erase this person? It can't be undone. Type yes: ") != "yes":
            raise CommandError("nothing was changed")
        now = timezone.now()
        erasure = erase.start(subject_id=subject, reason=reason[:40], actor=SYSTEM, now=now)
        erase.work(now=now)
        self._wait_for_worker(erasure)
        if erasure.state != Erasure.State.DONE:
            raise CommandError(f"not finished: {erasure.state} {erasure.error}; the worker goes on")
        self.stdout.write(f"erased and verified: {erasure.pk}")

    def _wait_for_worker(self, erasure: Erasure) -> None:
        """A worker beside us may have taken it first: give it time to finish."""
        end = time.monotonic() + PATIENCE_SECONDS
        erasure.refresh_from_db()
        busy = (Erasure.State.RUNNING, Erasure.State.VERIFYING)
        while erasure.state in busy and time.monotonic() < end:
            time.sleep(0.2)
            erasure.refresh_from_db()

    def preview(self, subject: UUID) -> None:
        """One line per holding that has something."""
        for step in erase.preview(subject_id=subject):
            if step.rows or step.kept:
                kept = f", {step.kept} stay ({step.ground})" if step.kept else ""
                self.stdout.write(f"{step.rows:>10}  {step.action:<10} {step.holding}{kept}")
