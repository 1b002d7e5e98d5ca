"""System check: the name `requests` means this app, not an HTTP library of the same name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register


@register("requests")
def the_name_is_ours(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """An installed distribution called requests would be hidden by this app and break others."""
    try:
        found = version("requests")
    except PackageNotFoundError:
        return []
    return [
        Error(
            f"The distribution requests {found} is installed, but that name is an app of Kept.",
            hint="Remove it, and whatever needs it, from this environment.",
            id="requests.E001",
        )
    ]
