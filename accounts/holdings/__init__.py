"""What this room holds about people, tables of the libraries it uses included."""

from accounts.holdings import age, corrections, guardians, invitations, keys, profiles, staff, users

__all__ = ["age", "corrections", "guardians", "invitations", "keys", "profiles", "staff", "users"]
