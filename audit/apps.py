"""What happened, provably: append-only log and its seals, the journal, staff access with a reason,
controls and evidence.
"""

from importlib import import_module

from django.apps import AppConfig, apps
from django.utils.module_loading import module_has_submodule


class AuditConfig(AppConfig):
    """Loads every app's `controls.py` and `sections.py`."""

    name = "audit"
    verbose_name = "Audit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        for config in apps.get_app_configs():
            for name in ("controls", "sections"):
                if config.module is not None and module_has_submodule(config.module, name):
                    import_module(f"{config.name}.{name}")
