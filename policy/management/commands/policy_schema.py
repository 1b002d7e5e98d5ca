"""`policy_schema`: write the JSON Schema of policy files, which editors complete and check by."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from policy.schema import as_text

FILE = Path(settings.BASE_DIR) / "policies" / "policy.schema.json"


class Command(BaseCommand):
    """With --check it changes nothing and exits 1 when the committed file is out of date."""

    help = "Write policies/policy.schema.json from the format in policy/document.py."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="only compare")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = as_text()
        current = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
        if options["check"]:
            if current != wanted:
                raise CommandError(f"{FILE} is out of date; run manage.py policy_schema.")
            return
        FILE.write_text(wanted, encoding="utf-8")
        self.stdout.write(f"Wrote {FILE}.")
