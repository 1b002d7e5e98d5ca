"""What this room holds about people, tables of the libraries it uses included."""

from accounts.holdings import age, corrections, invitations, keys, profiles, staff, users

__all__ = ["age", "corrections", "invitations", "keys", "profiles", "staff", "users"]
