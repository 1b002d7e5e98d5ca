"""Who else received data: recipients, agreements, each disclosure and its basis, figures without
individuals, webhooks.
"""

from django.apps import AppConfig


class DisclosuresConfig(AppConfig):
    name = "disclosures"
    verbose_name = "Disclosures"
    default_auto_field = "django.db.models.BigAutoField"
