"""The page of one's devices: what it says, and what signing out leaves on record."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts.models import Session, User
from audit.models import AuditEntry
from policy.models import PolicyVersion
from tests.factories.accounts import log_in, member
from tests.factories.api import made

PAGE = "/privacy/devices/"


@pytest.fixture(autouse=True)
def fresh_rate_limits() -> None:
    cache.clear()


@pytest.fixture
def ada(wecustomers: PolicyVersion) -> User:
    return member()


def signed_out() -> list[dict[str, int]]:
    entries = AuditEntry.objects.filter(verb="accounts.signed-out").order_by("at", "pk")
    return [entry.facts for entry in entries]


def test_signing_out_is_on_record(ada: User) -> None:
    here, *_others = (log_in(Client(), ada) for _ in range(4))
    first = Session.objects.filter(user=ada).order_by("-created_at").first()
    assert first is not None
    here.post(reverse("accounts:end_device", args=[first.handle]))
    here.post(reverse("accounts:end_device", args=[first.handle]))
    here.post(reverse("accounts:end_devices"))
    here.post(reverse("accounts:end_devices"))
    assert signed_out() == [{"browsers": 1}, {"browsers": 2}]
    assert set(AuditEntry.objects.filter(verb="accounts.signed-out").values_list("actor_kind")) == {
        ("person",)
    }
    assert Session.objects.filter(user=ada).count() == 1


def test_looking_signs_nobody_out(ada: User) -> None:
    here, there = log_in(Client(), ada), log_in(Client(), ada)
    assert here.get(reverse("accounts:end_devices")).status_code == 405
    assert there.get(PAGE).status_code == 200


def test_the_page_counts_live_keys(ada: User) -> None:
    browser = log_in(Client(), ada)
    assert "0 programs have a key" in browser.get(PAGE).content.decode()
    made(ada)
    assert "1 program has a key" in browser.get(PAGE).content.decode()
