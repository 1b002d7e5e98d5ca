"""Give an account a role on the staff console: the first one in production is made here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.roles import Role
from accounts.staff import NotConfirmed, appoint
from accounts.undertakings import record_training, training_end
from audit.log import SYSTEM
from policy import current


class Command(BaseCommand):
    """`make_staff EMAIL ROLE [--superuser] [--trained COURSE]`."""

    help = "Give an existing, confirmed account a role on the staff console."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("role", choices=Role.values)
        parser.add_argument(
            "--superuser", action="store_true", help="Open the configuration pages, too."
        )

        parser.add_argument(
            "--trained",
            metavar="COURSE",
            help="Write down, too, that the person has done this course today.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            user = User.objects.get_by_natural_key(options["email"])
            with transaction.atomic():
                appoint(user=user, role=Role(options["role"]), actor=SYSTEM, now=now)
                if options["trained"]:
                    _train(user, options["trained"], now)
        except ValidationError as error:
            raise CommandError(error.messages[0]) from None
        except User.DoesNotExist:
            raise CommandError("No account has this address; sign up on the site first.") from None
        except NotConfirmed:
            raise CommandError("The account's address is not confirmed yet.") from None
        except current.NoPolicy:
            raise CommandError(
                "Publish a policy first: it says how long training counts."
            ) from None
        if options["superuser"]:
            user.is_staff = user.is_superuser = True
            user.save(update_fields=["is_staff", "is_superuser"])
        self.stdout.write(
            f"Done. Role: {options['role']}. The next log-in sets up a second factor, "
            "and the undertaking is signed."
        )


def _train(user: User, course: str, now: datetime) -> None:
    until = training_end(document=current.fresh(now).document, start=now)
    record_training(user=user, course=course, done_at=now, until=until, actor=SYSTEM, now=now)
