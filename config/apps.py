"""Settings, urls, Celery, embedded servers, the front page and hubs, `demo`, `prove`."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Gives the runtime role its rights after every migration."""

    name = "config"
    verbose_name = "Kept"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        # Every process that sends tasks needs the application, or they go to a broker nobody has.
        from config import celery, grants  # noqa: F401

        post_migrate.connect(grants.after_migrate, dispatch_uid="config.grants")
