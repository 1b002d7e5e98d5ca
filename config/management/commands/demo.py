"""`manage.py demo`: fill a believable site with people and a year of history."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config.demo.people import cast
from config.demo.year import fill
from policy import current
from policy.evaluation import evaluate
from policy.reading import PolicyError
from retention import erase
from retention.sweep import sweep


class Command(BaseCommand):
    """Fills an empty site; on one that has people it only tells the log-ins again."""

    help = "Fill an empty site with demo people and a year of history, and tell their log-ins."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--policy", type=Path, help="policy file to live under; needed while the site is empty"
        )
        parser.add_argument("--json", action="store_true", help="print the log-ins as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("Demo people have known log-ins; they exist only under `make run`.")
        made = self._fill(options["policy"], now := timezone.now())
        try:
            version = current.in_force()
        except current.NoPolicy:
            raise CommandError("This site is empty; name its policy: --policy FILE.") from None
        if made:
            sweep(now=now)
            erase.work(now=now)
            evaluate(version=version, now=now)
        people = [
            {
                "role": p.role,
                "email": p.email,
                "password": p.password,
                "totp_secret": p.totp_secret,
            }
            for p in cast(version.document)
        ]
        if options["json"]:
            self.stdout.write(json.dumps(people, indent=2))
            return
        for p in people:
            secret = f"  second factor {p['totp_secret']}" if p["totp_secret"] else ""
            self.stdout.write(f"{p['role']:16} {p['email']:26} {p['password']}{secret}")

    def _fill(self, path: Path | None, now: datetime) -> bool:
        if path is None:
            return False
        if not path.is_file():
            raise CommandError(f"There is no policy file {path}.")
        try:
            return fill(source=path.read_bytes(), filename=path.name, now=now)
        except PolicyError as error:
            raise CommandError(str(error)) from error
