"""Logging in: one query and one hash, whether the address is known or not."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from allauth.account.auth_backends import AuthenticationBackend
from django.core.exceptions import ValidationError

from accounts.models import User
from datamap.email import normalise_email


class AccountBackend(AuthenticationBackend):  # type: ignore[misc]  # allauth has no types
    """E-mail address and password; locked people are nobody, from the next request on."""

    def authenticate(self, request: Any, **credentials: Any) -> User | None:
        """The user; none for a wrong pair, after the same work.

        A right password of a locked account is noted for allauth, which shows why.
        """
        password = credentials.get("password") or ""
        user = _by_address(credentials.get("email") or credentials.get("username") or "")
        if user is None:
            User().set_password(password)
            return None
        if not user.check_password(password):
            return None
        if not self.user_can_authenticate(user):
            self._stash_user(user)
            return None
        return user

    def get_user(self, user_id: Any) -> User | None:
        """The user of a session with what every page asks for, in one query."""
        try:
            pk = UUID(str(user_id))
        except ValueError:
            return None
        user = User.objects.select_related("subject", "staff_member").filter(pk=pk).first()
        return user if user is not None and self.user_can_authenticate(user) else None

    def user_can_authenticate(self, user: Any) -> bool:
        return bool(user.is_active and not user.subject.locked)


def _by_address(raw: str) -> User | None:
    try:
        email = normalise_email(raw)
    except ValidationError:
        return None
    users = User.objects.select_related("subject", "staff_member")
    return users.filter(email=email).first()
