"""A new password by mail: the same for known and unknown addresses, inert for locked ones."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.urls import reverse

from accounts.models import User
from accounts.registration import absolute, confirm_address
from consent.mail import post


class ResetTokens(PasswordResetTokenGenerator):
    """Tokens that die with a new password, log-in or address, and open nothing that is locked."""

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        locked = user.subject.locked if user.subject_id else True
        return f"{super()._make_hash_value(user, timestamp)}{locked}"

    def check_token(self, user: Any, token: str | None) -> bool:
        """Whether the token was made for this user as they are now."""
        if user is None or user.subject.locked or not user.is_active:
            return False
        return bool(super().check_token(user, token))


def ask_for_reset(*, email: str, now: datetime, language: str = "en") -> None:
    """Send one mail: the link, that the account is locked, or that there is none.

    One query to find the account and one token, in each case.
    """
    user = User.objects.select_related("subject").filter(email=email).first()
    who = user or User(email=email)
    link = link_for(who)
    if user is None:
        template = "account_unknown_account"
    elif user.subject.locked or not user.is_active:
        template = "account_password_reset_locked"
    else:
        template = "account_password_reset_key"
    post(
        category="account",
        template=template,
        context={
            "password_reset_url": link,
            "signup_url": absolute(reverse("accounts:signup")),
        },
        address=email,
        subject_id=user.subject_id if user else None,
        now=now,
        language=language,
    )


def link_for(user: User) -> str:
    """The address of the page where this user, as they are now, sets a new password."""
    token = ResetTokens().make_token(user)
    return absolute(
        reverse("account_reset_password_from_key", kwargs={"uidb36": user.pk.hex, "key": token})
    )


def address_proved_by_reset(*, user: User, now: datetime) -> None:
    """Whoever used the link reads the mailbox: an open confirmation is done, too."""
    if user.unconfirmed_since is None:
        return
    address, _made = EmailAddress.objects.get_or_create(
        user=user, email=user.email, defaults={"primary": True}
    )
    confirm_address(email_address=address, now=now)
