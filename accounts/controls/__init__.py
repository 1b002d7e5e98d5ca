"""What keeps this room's promises, and how each is checked on live data."""

from accounts.controls import age, passwords, sessions, signup

__all__ = ["age", "passwords", "sessions", "signup"]
