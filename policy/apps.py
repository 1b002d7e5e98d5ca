"""What the site promises: file format, versions, changes."""

from django.apps import AppConfig


class PolicyConfig(AppConfig):
    """Keeps the version in force fresh in every process that serves pages."""

    name = "policy"
    verbose_name = "Policy"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.core.signals import request_started

        from policy import current

        request_started.connect(current.keep_fresh, dispatch_uid="policy.current.keep_fresh")
