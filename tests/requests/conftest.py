"""Packages of these tests lie in a folder of their own."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def packages_folder(settings: Any, tmp_path: Path) -> Path:
    """Where packages are stored during one test; made with the first package."""
    folder = tmp_path / "packages"
    packages = {**settings.STORAGES["packages"], "OPTIONS": {"location": str(folder)}}
    settings.STORAGES = {**settings.STORAGES, "packages": packages}
    return folder
