"""Give an account a role on the staff console: the first one in production is made here."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.models import User
from accounts.roles import Role
from accounts.staff import NotConfirmed, appoint
from audit.log import SYSTEM


class Command(BaseCommand):
    """`make_staff EMAIL ROLE [--superuser]`."""

    help = "Give an existing, confirmed account a role on the staff console."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("role", choices=Role.values)
        parser.add_argument(
            "--superuser", action="store_true", help="Open the configuration pages, too."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = User.objects.get_by_natural_key(options["email"])
            appoint(user=user, role=Role(options["role"]), actor=SYSTEM, now=timezone.now())
        except ValidationError as error:
            raise CommandError(error.messages[0]) from None
        except User.DoesNotExist:
            raise CommandError("No account has this address; sign up on the site first.") from None
        except NotConfirmed:
            raise CommandError("The account's address is not confirmed yet.") from None
        if options["superuser"]:
            user.is_staff = user.is_superuser = True
            user.save(update_fields=["is_staff", "is_superuser"])
        self.stdout.write(
            f"Done. Role: {options['role']}. The next log-in sets up a second factor."
        )
