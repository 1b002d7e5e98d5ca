"""People with an account: users, profiles and who sees them, age, guardians, invitations,
connections, sessions, staff roles, undertakings, two-person approval.
"""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"
    default_auto_field = "django.db.models.BigAutoField"
