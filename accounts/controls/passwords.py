"""Passwords are stored only as strong hashes."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.control import Control, Finding, Sort, declare

# Argon2id, or the mark of an account without a password.
HASHED = r"^(argon2\$argon2id\$v=19\$m=[0-9]+,t=[0-9]+,p=[0-9]+\$[^$]+\$[^$]+|!.*)$"


def password_hashes(now: datetime) -> Finding:
    """Every password is a hash of the strong kind (CC-18)."""
    wrong = User.objects.exclude(password__regex=HASHED).values_list("pk", flat=True)
    return Finding.of(checked=User.objects.count(), violations=wrong)


declare(
    Control(
        key="accounts.password-hashes",
        sentence=_("Passwords are stored only as strong hashes."),
        how=_("The form of every stored password is looked at in the database."),
        sort=Sort.QUERY,
        check=password_hashes,
    ),
)
