"""How data ends: sweeps, holds, archive, erasure, children, replay after a restore."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RetentionConfig(AppConfig):
    """Receives what other rooms tell, and lets the runtime role end append-only rows."""

    name = "retention"
    verbose_name = "Retention"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Receivers, and what publishing a policy asks this room.
        from retention import (  # noqa: F401
            checks,
            children,
            expiry,
            one_person,
            publication,
            tasks,
        )

        post_migrate.connect(_grant, dispatch_uid="retention.grants")


def _grant(sender: AppConfig, *, using: str = "default", **kwargs: Any) -> None:
    from audit.append_only import grant_functions

    if sender.name == "retention":
        grant_functions(using=using)
