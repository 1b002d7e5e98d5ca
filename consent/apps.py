"""What people chose: ledger of choices, receipts, the mail gate, notices of a changed policy and
their acknowledgement.
"""

from django.apps import AppConfig


class ConsentConfig(AppConfig):
    name = "consent"
    verbose_name = "Consent"
    default_auto_field = "django.db.models.BigAutoField"
