"""Security keys without a browser: nonsense is refused, other people's keys do not exist."""

from __future__ import annotations

import json
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from policy.models import PolicyVersion
from tests.factories.accounts import log_in, member, reauthenticated, security_key

pytestmark = pytest.mark.django_db

HALF = {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "clientExtensionResults": {}}
NONSENSE: list[Any] = [
    "",
    "no JSON",
    "5",
    "[]",
    "[1]",
    "{}",
    '"text"',
    json.dumps(HALF),
    json.dumps({**HALF, "response": 5}),
    json.dumps({**HALF, "response": {}}),
    json.dumps({**HALF, "response": {"clientDataJSON": "%", "attestationObject": "%"}}),
    json.dumps({**HALF, "response": {"clientDataJSON": "AAAA", "attestationObject": "AAAA"}}),
    json.dumps(
        {
            **HALF,
            "response": {"clientDataJSON": "AAAA", "authenticatorData": "AA", "signature": "AA"},
        }
    ),
    json.dumps({**HALF, "more": "x" * 30_000}),
    json.dumps({**HALF, "rawId": None, "response": None}),
]


@pytest.fixture(autouse=True)
def _fresh_limits(wecustomers: PolicyVersion) -> None:
    cache.clear()


@pytest.mark.parametrize("credential", NONSENSE)
def test_nonsense_adds_no_key(client: Client, credential: str) -> None:
    reauthenticated(client, member())
    client.get(reverse("mfa_add_webauthn"))
    answer = client.post(reverse("mfa_add_webauthn"), {"name": "x", "credential": credential})
    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert not Authenticator.objects.exists()


@pytest.mark.parametrize("credential", NONSENSE)
def test_nonsense_signs_nobody_in(client: Client, credential: str) -> None:
    user = member()
    security_key(user)
    log_in(client, user)
    client.get(reverse("mfa_authenticate"))
    answer = client.post(reverse("mfa_authenticate"), {"credential": credential})
    assert answer.status_code == 200
    assert answer.context["webauthn_form"].errors
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("name", ["x" * 61, "x" * 500_000, "two\x00", "line\nline"])
def test_names_end_and_have_no_control_characters(client: Client, name: str) -> None:
    user = member()
    key = security_key(user)
    reauthenticated(client, user)
    answer = client.post(reverse("mfa_edit_webauthn", args=[key.pk]), {"name": name})
    assert list(answer.context["form"].errors) == ["name"]
    key.refresh_from_db()
    assert key.wrap().name == "Blue key"


@pytest.mark.parametrize("page", ["mfa_edit_webauthn", "mfa_remove_webauthn"])
def test_keys_of_others_do_not_exist(client: Client, page: str) -> None:
    key = security_key(member())
    reauthenticated(client, member())
    assert client.get(reverse(page, args=[key.pk])).status_code == 404
    assert client.post(reverse(page, args=[key.pk]), {"name": "mine"}).status_code == 404
    assert Authenticator.objects.filter(pk=key.pk).exists()


def test_key_is_offered_only_to_who_has_one(client: Client) -> None:
    user = member()
    security_key(user)
    log_in(client, user)
    offered = b"mfa_webauthn_authenticate"
    assert offered in client.get(reverse("mfa_authenticate")).content


def test_key_is_made_for_the_site_whatever_the_request_calls_it(
    client: Client, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    reauthenticated(client, member())
    page = client.get(reverse("mfa_add_webauthn"), headers={"host": "elsewhere.test"})
    made_for = page.context["js_data"]["creation_options"]["publicKey"]["rp"]
    assert made_for["id"] == "localhost"
