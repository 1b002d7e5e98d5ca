"""Passwords are stored only as strong hashes, and people are told to look at the address."""

from __future__ import annotations

import re
from datetime import datetime
from html import unescape
from typing import Final

from django.db.models import Func, IntegerField, Q, Value
from django.db.models.functions import Cast, Coalesce
from django.utils.translation import gettext_lazy as _

from accounts.controls import probes
from accounts.models import User
from audit.control import Control, Finding, Sort, declare

# Argon2id, or the mark of an account without a password.
HASHED: Final = r"^(argon2\$argon2id\$v=19\$m=[0-9]+,t=[0-9]+,p=[0-9]+\$[^$]{16,}\$[^$]{22,}|!.*)$"
UNUSABLE: Final = "!"
# The least memory (kibibytes) and rounds of one hash: OWASP's password storage advice, 2024.
FLOOR: Final = {"m": 19_456, "t": 2}
# Where the advice stands on the page, up to the end of its notice.
ADVICE: Final = re.compile(r'<div class="([^"]*)" id="check-address">(.*?)</div>', re.DOTALL)


def password_hashes(now: datetime) -> Finding:
    """Every password is a hash of the strong kind, none made with less work than the floor, and
    the page where people sign in reminds them, as served, to look at the address first (CC-18).
    """
    people = User.objects.annotate(**{name: _cost(name) for name in FLOOR})
    weak = ~Q(password__regex=HASHED)
    for name, least in FLOOR.items():
        weak |= ~Q(password__startswith=UNUSABLE) & Q(**{f"{name}__lt": least})
    wrong: list[object] = list(people.filter(weak).values_list("pk", flat=True))
    if not _advised():
        wrong.append("no advice where people sign in")
    return Finding.of(checked=User.objects.count() + 1, violations=wrong)


def _cost(name: str) -> Coalesce:
    """A figure of a hash's own parameters; nothing readable is no work at all."""
    found = Func("password", Value(f"[$,]{name}=([0-9]{{1,9}})[,$]"), function="substring")
    return Coalesce(Cast(found, IntegerField()), 0)


def _advised() -> bool:
    """Whether the page shows, and does not hide, a notice that names the address it is at."""
    page, host = probes.log_in_page()
    found = ADVICE.search(page)
    if found is None or "hidden" in found[1]:
        return False
    return host in unescape(re.sub(r"<[^>]+>", "", found[2]))


declare(
    Control(
        key="accounts.password-hashes",
        sentence=_(
            "Passwords are stored only as strong hashes, and whoever signs in is told to look at "
            "the address first."
        ),
        how=_(
            "The form and the cost of every stored password are looked at in the database. Then "
            "we open the page to sign in as a visitor does and look for the advice."
        ),
        sort=Sort.PROBE,
        check=password_hashes,
    ),
)
