"""The app's name is that of a well-known HTTP library, which must stay away."""

from pathlib import Path

import rest_framework.compat

import requests
from requests.checks import the_name_is_ours

ROOT = Path(__file__).resolve().parents[2]


def test_requests_is_this_app() -> None:
    assert Path(requests.__file__).parent == ROOT / "requests"


def test_rest_framework_does_not_take_it_for_the_library() -> None:
    assert rest_framework.compat.requests is None


def test_no_distribution_of_that_name_is_installed_or_locked() -> None:
    assert the_name_is_ours(None) == []
    for lock in ROOT.glob("requirements*.lock"):
        names = [line.partition("==")[0].strip() for line in lock.read_text().splitlines()]
        assert "requests" not in names, lock
