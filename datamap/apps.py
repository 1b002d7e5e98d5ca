"""Whose data is held, and where: `Subject`, `Holding`."""

from importlib import import_module

from django.apps import AppConfig, apps
from django.utils.module_loading import module_has_submodule


class DatamapConfig(AppConfig):
    """Loads every app's `holdings.py` and registers the completeness check."""

    name = "datamap"
    verbose_name = "Data map"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from datamap import checks, never_stored  # noqa: F401  registers the system checks

        never_stored.guard_forms()

        for config in apps.get_app_configs():
            if config.module is not None and module_has_submodule(config.module, "holdings"):
                import_module(f"{config.name}.holdings")
