"""What keeps this room's promises, and how each is checked on live data."""

from accounts.controls import (
    age,
    categories,
    corrections,
    emergency,
    facts,
    guardians,
    invitations,
    never_stored,
    passwords,
    payments,
    profiles,
    sessions,
    signup,
    staff,
)

__all__ = [
    "age",
    "categories",
    "corrections",
    "emergency",
    "facts",
    "guardians",
    "invitations",
    "never_stored",
    "passwords",
    "payments",
    "profiles",
    "sessions",
    "signup",
    "staff",
]
