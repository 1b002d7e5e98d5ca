"""How a parent gets to their page: a mailed link, and a code sent to the same address.

A link stays in mailboxes, gets forwarded and leaks into logs of other programs. So it shows and
decides nothing by itself: a code of minutes, used once, has to come along. Codes are short, so only
a few tries are counted against each, and a new one is made at most every minute.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime

from accounts.models import Guardianship
from consent.mail import post
from datamap.encryption import decrypt, keyed_hash
from policy.context import SiteFace

CODE_LIFE = timedelta(minutes=10)  # ASVS 6.5.5
CODE_PAUSE = timedelta(minutes=1)  # between two codes
CODE_TRIES = 5
CODE_DIGITS = 8
LONGEST_TOKEN = 64


def find(*, token: str, now: datetime) -> Guardianship | None:
    """The row a mailed link belongs to; none for one that is over."""
    return (
        Guardianship.objects.filter(token_hash=hashed(token[: LONGEST_TOKEN + 1]))
        .filter(Q(answer_until=None) | Q(answer_until__gt=now), guardian__isnull=False)
        .first()
    )


def send_code(*, guardianship_id: UUID, now: datetime) -> bool:
    """Mail a code to the parent's address; False when one was sent less than a minute ago."""
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
    with transaction.atomic():
        fresh = Q(code_sent_at=None) | Q(code_sent_at__lte=now - CODE_PAUSE)
        sent = Guardianship.objects.filter(fresh, pk=guardianship_id, guardian__isnull=False)
        if not sent.update(
            code_hash=_code_hash(guardianship_id, code), code_sent_at=now, code_tries=0
        ):
            return False
        row = Guardianship.objects.get(pk=guardianship_id)
        spoken = f"{code[:4]} {code[4:]}"
        write(row, "guardian_code", now=now, code=spoken, minutes=CODE_LIFE.seconds // 60)
    return True


def check_code(*, guardianship_id: UUID, code: str, now: datetime) -> bool:
    """Whether this is the code, still good and not used before. Every try counts."""
    digits = "".join(code.split())
    rows = Guardianship.objects.filter(pk=guardianship_id)
    tried = rows.filter(code_tries__lt=CODE_TRIES, code_sent_at__gt=now - CODE_LIFE)
    if not tried.exclude(code_hash="").update(code_tries=F("code_tries") + 1):
        return False
    right = rows.filter(code_hash=_code_hash(guardianship_id, digits))
    return bool(right.update(code_hash=""))


def write(
    row: Guardianship,
    template: str,
    *,
    now: datetime,
    token: str = "",
    until: datetime | None = None,
    zone: ZoneInfo | None = None,
    last: bool = False,
    **context: str | int,
) -> None:
    """Mail the parent. A token makes the link to their page, in the place of any older one."""
    if token:
        context["link"] = settings.SITE_URL + reverse("accounts:guardian", args=[token])
    if until is not None and zone is not None:
        context["until"] = date_format(localtime(until, zone), "j F Y, H:i")
        context["place"] = SiteFace(zone=zone).place
    post(
        category="account",
        template=template,
        context=context,
        address=address_of(row),
        subject_id=row.guardian_id,
        now=now,
        last=last,
    )


def address_of(row: Guardianship) -> str:
    """The parent's address; empty once the parent is erased."""
    return decrypt(bytes(row.address)) if row.address is not None else ""


def hashed(token: str) -> str:
    """What a link's token is stored as: SHA-256 in hex; the token has 256 bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _code_hash(guardianship_id: UUID, code: str) -> str:
    return keyed_hash(f"guardian code {guardianship_id} {code}")
