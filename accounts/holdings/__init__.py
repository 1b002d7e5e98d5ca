"""What this room holds about people, tables of the libraries it uses included."""

from accounts.holdings import (
    age,
    connections,
    corrections,
    facts,
    guardians,
    invitations,
    keys,
    payments,
    profiles,
    staff,
    users,
)

__all__ = [
    "age",
    "connections",
    "corrections",
    "facts",
    "guardians",
    "invitations",
    "keys",
    "payments",
    "profiles",
    "staff",
    "users",
]
