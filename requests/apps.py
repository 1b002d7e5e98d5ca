"""What people ask: intake, verification, review, fulfilment, the package, closing an account,
reports, the desks.
"""

from django.apps import AppConfig


class RequestsConfig(AppConfig):
    """Listens to erasures and keeps Django REST framework away from this package."""

    name = "requests"
    verbose_name = "Requests"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from rest_framework import compat

        # Registers the check and the receivers.
        from requests import checks, fulfil, package_files, transfers  # noqa: F401

        # Its test client would take this app for the HTTP library of the same name, which is not
        # installed on purpose, and fail on `requests.adapters`.
        compat.requests = None  # type: ignore[assignment]  # what it is where the library is absent
