"""A new password at the console: the person's log-ins and keys end, and they are told."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import transaction
from django.utils import timezone

from accounts.keys import revoke_all
from accounts.models import User
from accounts.sessions import end_all
from accounts.telling import tell_changed_by_staff
from audit.log import SYSTEM, record
from datamap.email import normalise_email


class Command(changepassword.Command):
    """`changepassword EMAIL`, in place of Django's, which tells nobody."""

    def handle(self, *args: Any, **options: Any) -> str:
        try:
            email = normalise_email(options["username"] or "")
        except ValidationError as error:
            raise CommandError(error.messages[0]) from None
        said = str(super().handle(*args, **{**options, "username": email}))
        now = timezone.now()
        with transaction.atomic():
            user = User.objects.get(email=email)
            end_all(user_id=user.pk, now=now)
            revoke_all(user=user, actor=SYSTEM, now=now)
            record(
                actor=SYSTEM,
                verb="accounts.password-set",
                now=now,
                object=user,
                subject_id=user.subject_id,
            )
            tell_changed_by_staff(
                subject_id=user.subject_id, what="password", actor=SYSTEM, now=now
            )
        return said
