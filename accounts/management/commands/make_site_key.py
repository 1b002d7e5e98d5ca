"""Make a key to the API for one of the site's own programs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts import keys
from audit.access import site_scopes
from audit.log import SYSTEM


class Command(BaseCommand):
    """`make_site_key NAME --scope payments:write … [--days 365]`, or `NAME --end`."""

    help = "Make a key to the API for one of the site's own programs; it is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="The program that will hold it.")
        parser.add_argument(
            "--scope", action="append", default=[], choices=list(site_scopes()), dest="scopes"
        )
        parser.add_argument(
            "--days", type=int, choices=[life.days for life in keys.LIVES], default=365
        )
        parser.add_argument("--end", action="store_true", help="End the key of this name instead.")

    def handle(self, *args: Any, **options: Any) -> None:
        now, name = timezone.now(), options["name"]
        if options["end"]:
            if not keys.revoke_site_key(name=name, actor=SYSTEM, now=now):
                raise CommandError(f"No live key is called {name!r}.")
            self.stdout.write("Done. Calls with it are refused from now on.")
            return
        if not options["scopes"]:
            raise CommandError(f"Name what it may do: --scope {' | '.join(site_scopes())}")
        (life,) = [each for each in keys.LIVES if each.days == options["days"]]
        try:
            made = keys.make_site_key(
                name=name, scopes=options["scopes"], life=life, actor=SYSTEM, now=now
            )
        except keys.NameTaken:
            raise CommandError(f"A live key is called {name!r} already; end it first.") from None
        self.stdout.write(made.text)
