"""Accounts and where people are signed in."""

from django.utils.translation import gettext_lazy as _

from datamap.holding import Holding, Personal, Source
from datamap.registry import declare

declare(
    Holding(
        key="accounts.account",
        model="accounts.User",
        title=_("Your account"),
        staff_title=_("Accounts"),
        subject="subject",
        personal=(
            Personal("email", "user.contact.email", correctable=True, page="account_email"),
            Personal("first_name", "user.name.first", correctable=True),
            Personal("last_name", "user.name.last", correctable=True),
            Personal("password", "user.authorization.password", secret=True),
            Personal("last_login", "user.behavior", source=Source.SITE),
        ),
        other=(
            "id",
            "subject",
            "is_active",
            "is_staff",
            "is_superuser",
            "date_joined",
            "unconfirmed_since",
        ),
        clocks={"joined": "date_joined", "unconfirmed": "unconfirmed_since"},
        lasting=True,
        after=(
            "accounts.session",
            "accounts.email_address",
            "accounts.email_confirmation",
            "accounts.authenticator",
            "accounts.staff",
            "accounts.admin_log",
            "accounts.group",
            "accounts.permission",
        ),
    ),
    Holding(
        key="accounts.session",
        model="accounts.Session",
        title=_("Where you are signed in"),
        staff_title=_("Log-ins"),
        subject="user__subject",
        personal=(
            Personal("session_key", "user.device.cookie_id", source=Source.SITE, secret=True),
            Personal(
                "session_data",
                "user.authorization.credentials",
                source=Source.SITE,
                secret=True,
                contents="the user's id, when and how the log-in was proved, steps half done",
            ),
        ),
        other=("user", "handle", "persistent", "asked_id", "created_at", "expire_date"),
        clocks={"created": "created_at", "expired": "expire_date"},
    ),
    Holding(
        key="accounts.email_address",
        model="account.EmailAddress",
        title=_("E-mail addresses of your account"),
        staff_title=_("E-mail addresses of accounts"),
        subject="user__subject",
        personal=(Personal("email", "user.contact.email"),),
        other=("id", "user", "verified", "primary"),
        after=("accounts.email_confirmation",),
    ),
    Holding(
        key="accounts.email_confirmation",
        model="account.EmailConfirmation",
        title=_("Open confirmations of an e-mail address"),
        subject="email_address__user__subject",
        personal=(
            Personal("key", "user.authorization.credentials", source=Source.SITE, secret=True),
        ),
        other=("id", "email_address", "created", "sent"),
    ),
    Holding(
        key="accounts.authenticator",
        model="mfa.Authenticator",
        title=_("Your second factor"),
        staff_title=_("Second factors"),
        subject="user__subject",
        personal=(
            Personal(
                "data",
                "user.authorization.credentials",
                source=Source.SITE,
                secret=True,
                contents=(
                    "encrypted secret of an authenticator app, used and unused codes, the public "
                    "part of a security key and the name its owner gave it"
                ),
            ),
            Personal("last_used_at", "user.behavior", source=Source.SITE),
        ),
        other=("id", "user", "type", "created_at"),
    ),
)
