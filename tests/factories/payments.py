"""Cards and payments for tests, made through the room's own functions."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from accounts import keys, payments
from accounts.models import Payment, PaymentCard, User
from audit.log import SYSTEM
from tests.factories.api import with_key

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
TOKEN = "tok_9f8e7d6c5b4a"
# Numbers that card companies publish for trying things out.
CARD_NUMBERS = (
    "4111111111111111",
    "4222222222222",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "30569309025904",
    "6011111111111117",
    "3530111333300000",
    "6200000000000005",
)
_numbers = itertools.count(1)


def kept_card(user: User, *, now: datetime = NOW, **fields: Any) -> PaymentCard:
    """A card of the person's."""
    given = {"token": f"{TOKEN}{next(_numbers)}", "brand": "visa", "last_four": "4242"}
    return payments.keep_card(
        subject=user.subject,
        actor=SYSTEM,
        now=now,
        **{**given, "expires": "2028-05", **fields},
    )


def opened(
    user: User, *, card: PaymentCard | None, now: datetime = NOW, reference: str = ""
) -> Payment:
    """An open purchase."""
    return payments.open_payment(
        subject=user.subject,
        reference=reference or f"A-{next(_numbers)}",
        kind="purchase",
        card=card,
        actor=SYSTEM,
        now=now,
    )


def site_program(*scopes: str, now: datetime) -> Any:
    """A program that holds a key of the site's own."""
    made = keys.make_site_key(
        name=f"Shop {next(_numbers)}",
        scopes=scopes or ("payments:read", "payments:write"),
        life=keys.LIVES[-1],
        actor=SYSTEM,
        now=now,
    )
    return with_key(made.text)
