"""What browsers may keep: inventory, banner, visitor choices, gate, signals, scanner, visit log."""

from django.apps import AppConfig


class CookiesConfig(AppConfig):
    name = "cookies"
    verbose_name = "Cookies"
    default_auto_field = "django.db.models.BigAutoField"
