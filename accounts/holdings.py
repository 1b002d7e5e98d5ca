"""What this room holds about people, tables of the libraries it uses included."""

from django.utils.translation import gettext_lazy as _

from datamap.holding import Holding, Personal, Source
from datamap.registry import declare, declare_impersonal

declare(
    Holding(
        key="accounts.account",
        model="accounts.User",
        title=_("Your account"),
        staff_title=_("Accounts"),
        subject="subject",
        personal=(
            Personal("email", "user.contact.email"),
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
        key="accounts.api_key",
        model="accounts.ApiKey",
        title=_("Your keys to the API"),
        staff_title=_("Keys to the API"),
        subject="user__subject",
        personal=(
            Personal("name", "user.content"),
            Personal("prefix", "user.authorization.credentials", source=Source.SITE),
            Personal("key_hash", "user.authorization.credentials", source=Source.SITE, secret=True),
            Personal("last_used_on", "user.behavior", source=Source.SITE),
        ),
        other=(
            "id",
            "user",
            "handle",
            "scopes: names of what the key may do",
            "created_at",
            "expires_at",
            "revoked_at",
        ),
        clocks={"expired": "expires_at"},
    ),
    Holding(
        key="accounts.age",
        model="accounts.AgeVerdict",
        title=_("Your date of birth"),
        staff_title=_("Dates of birth"),
        subject="subject",
        personal=(
            Personal("born_on", "user.demographic.date_of_birth", correctable=True),
            Personal("minor", "user.demographic.age_range", source=Source.SITE),
        ),
        other=("id", "subject", "passed_at", "youngest", "policy_digest", "source", "corrected_at"),
        clocks={"passed": "passed_at"},
        lasting=True,
    ),
    Holding(
        key="accounts.staff",
        model="accounts.StaffMember",
        title=_("Your role on the staff"),
        staff_title=_("Roles on the staff"),
        subject="user__subject",
        personal=(Personal("role", "user.job_title", source=Source.SITE),),
        other=("id", "user", "since"),
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
                contents="encrypted secret of an authenticator app, used and unused codes",
            ),
            Personal("last_used_at", "user.behavior", source=Source.SITE),
        ),
        other=("id", "user", "type", "created_at"),
    ),
    Holding(
        key="accounts.admin_log",
        model="admin.LogEntry",
        title=_("What you changed on the configuration pages"),
        staff_title=_("Changes on the configuration pages"),
        subject="user__subject",
        personal=(
            Personal("object_repr", "system.operations", source=Source.SITE),
            Personal(
                "object_id",
                "system.operations",
                source=Source.SITE,
                contents="the key of a row of configuration",
            ),
            Personal(
                "change_message",
                "system.operations",
                source=Source.SITE,
                contents="names of the fields changed",
            ),
        ),
        other=("id", "action_time", "user", "content_type", "action_flag"),
    ),
    Holding(
        key="accounts.group",
        model="accounts.User_groups",
        title=_("Groups for the configuration pages"),
        subject="user__subject",
        personal=(Personal("group", "user.job_title", source=Source.SITE),),
        other=("id", "user"),
    ),
    Holding(
        key="accounts.permission",
        model="accounts.User_user_permissions",
        title=_("Rights on the configuration pages"),
        subject="user__subject",
        personal=(Personal("permission", "user.job_title", source=Source.SITE),),
        other=("id", "user"),
    ),
)

declare_impersonal("auth.Permission", "id", "name", "content_type", "codename")
declare_impersonal("auth.Group", "id", "name")
declare_impersonal("auth.Group_permissions", "id", "group", "permission")
declare_impersonal("contenttypes.ContentType", "id", "app_label", "model")
