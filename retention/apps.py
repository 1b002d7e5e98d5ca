"""How data ends: sweeps, holds, archive, erasure, children, replay after a restore."""

from django.apps import AppConfig


class RetentionConfig(AppConfig):
    name = "retention"
    verbose_name = "Retention"
    default_auto_field = "django.db.models.BigAutoField"
