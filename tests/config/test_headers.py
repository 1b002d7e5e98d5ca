"""What a browser is told by every page, read from the answers as served."""

import pytest
from django.test import Client

STRICT = {
    "base-uri": "'none'",
    "connect-src": "'self'",
    "default-src": "'none'",
    "font-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "img-src": "'self' data:",
    "manifest-src": "'self'",
    "object-src": "'none'",
    "require-trusted-types-for": "'script'",
    "script-src": "'self'",
    "style-src": "'self'",
    "trusted-types": "default",
}


def policy_of(header: str) -> dict[str, str]:
    parts = [part.strip().partition(" ") for part in header.split(";")]
    return {name: value for name, _, value in parts}


def test_content_security_policy_as_served(client: Client) -> None:
    assert policy_of(client.get("/healthz")["Content-Security-Policy"]) == STRICT


@pytest.mark.django_db
def test_admin_keeps_the_policy_but_for_trusted_types(client: Client) -> None:
    served = policy_of(client.get("/admin/login/")["Content-Security-Policy"])
    left_out = {"require-trusted-types-for", "trusted-types"}
    assert served == {name: value for name, value in STRICT.items() if name not in left_out}


def test_other_headers_as_served(client: Client) -> None:
    answer = client.get("/healthz")
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert len(answer["X-Request-ID"]) == 32


def test_request_ids_are_ours_and_never_the_same(client: Client) -> None:
    sent = {"X-Request-ID": "chosen-by-a-stranger"}
    ids = [client.get("/healthz", headers=sent)["X-Request-ID"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert "chosen-by-a-stranger" not in ids
