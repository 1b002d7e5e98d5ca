"""Whom a rate limit counts, behind proxies and without; where a log-in ends."""

from __future__ import annotations

import time
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.adapter import NO_ADDRESS, AccountAdapter
from policy.models import PolicyVersion
from tests.factories.accounts import PASSWORD, TOTP_SECRET, member, staff_member


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


@pytest.mark.parametrize(
    ("staff", "asked_for", "lands"),
    [
        (False, "", "/privacy/"),
        (True, "", "/staff/"),
        (True, "/privacy/choices/", "/privacy/choices/"),
        (False, "/privacy/choices/", "/privacy/choices/"),
        (True, "https://elsewhere.example.com/staff/", "/staff/"),
        (True, "//elsewhere.example.com/staff/", "/staff/"),
        (False, "//elsewhere.example.com/privacy/", "/privacy/"),
    ],
)
def test_a_log_in_ends_at_the_page_asked_for_or_at_ones_own(
    wecustomers: PolicyVersion, client: Client, staff: bool, asked_for: str, lands: str
) -> None:
    user = staff_member(totp=False) if staff else member()
    given = {"login": user.email, "password": PASSWORD, "next": asked_for}
    assert client.post(reverse("account_login"), given)["Location"] == lands


def test_the_second_factor_keeps_where_a_log_in_ends(
    wecustomers: PolicyVersion, client: Client
) -> None:
    reviewer = staff_member()
    client.post(reverse("account_login"), {"login": reviewer.email, "password": PASSWORD})
    code = format_hotp_value(hotp_value(TOTP_SECRET, int(time.time()) // 30))
    assert client.post(reverse("mfa_authenticate"), {"code": code})["Location"] == "/staff/"
