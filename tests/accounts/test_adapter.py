"""Whom a rate limit counts, behind proxies and without."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.adapter import NO_ADDRESS, AccountAdapter
from policy.models import PolicyVersion


def address(forwarded: str | None, *, peer: str = "192.0.2.9") -> str:
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer)
    return AccountAdapter().get_client_ip(request)


@pytest.mark.parametrize("forwarded", [None, "203.0.113.5", "203.0.113.5, 203.0.113.6", "nonsense"])
def test_without_a_proxy_the_header_is_nobodys_word(forwarded: str | None) -> None:
    assert address(forwarded) == "192.0.2.9"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "found"),
    [
        (1, "203.0.113.5", "203.0.113.5"),
        (1, "198.51.100.1, 203.0.113.5", "203.0.113.5"),  # the left one the visitor wrote
        (1, "198.51.100.1,unknown, 203.0.113.5", "203.0.113.5"),
        (2, "198.51.100.1, 203.0.113.5, 192.0.2.7", "203.0.113.5"),
        (1, "2001:db8::7", "2001:db8::7"),
        (1, None, "192.0.2.9"),
        (1, "", "192.0.2.9"),
        (1, "nonsense", NO_ADDRESS),
        (1, "203.0.113.5\x00", NO_ADDRESS),
        (2, "203.0.113.5", NO_ADDRESS),  # past the outer proxy: no address to believe
    ],
)
def test_behind_proxies_their_own_entry_counts(
    settings: Any, proxies: int, forwarded: str | None, found: str
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    assert address(forwarded) == found


def test_no_connecting_address_is_one_shared_limit() -> None:
    assert address(None, peer="") == NO_ADDRESS


@pytest.mark.parametrize(("proxies", "statuses"), [(0, {302, 429}), (1, {302})])
def test_limits_count_visitors_and_not_the_proxy(
    wecustomers: PolicyVersion, settings: Any, proxies: int, statuses: set[int]
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "proxy"}
    }
    birth_date = {"day": "1", "month": "2", "year": "1990"}
    answers = set()
    for number in range(25):
        visitor = Client(
            REMOTE_ADDR="192.0.2.99", headers={"x-forwarded-for": f"203.0.113.{number}"}
        )
        answers.add(visitor.post(reverse("accounts:age"), birth_date).status_code)
    assert answers == statuses
