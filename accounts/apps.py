"""People with an account: users, profiles and who sees them, age, guardians, invitations,
connections, sessions, staff roles, undertakings, two-person approval.
"""

from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Listens to what allauth tells; says what two people of the staff decide."""

    name = "accounts"
    verbose_name = "Accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("accounts.receivers")
        import_module("accounts.publication")
        import_module("accounts.appointing")
        import_module("accounts.merging")
