"""The page of cookies says what the policy in force says."""

from __future__ import annotations

from django.test import Client

from tests.consent.conftest import policy_source
from tests.factories.policy import publish_bytes

OPTIONAL = b"""
[[cookies]]
name = "_stats*"
title = "Counts visits."
purpose = "improvement"
lifetime = "2 years"
provider = "Counting Example"
party = "third"
"""


def test_cookies_lists_every_cookie_of_the_policy(db: None) -> None:
    version = publish_bytes(policy_source() + OPTIONAL)
    page = Client().get("/cookies/").content.decode()
    for cookie in version.document.cookies:
        assert f"<code>{cookie.name}</code>" in page
        assert cookie.title in page
    assert page.index("Needed for the site to work") < page.index("Only with your yes")
    assert "2 years" in page
    assert "Counting Example" in page
    assert "until you close the browser" in page


def test_cookies_needs_no_cookie_and_no_account(db: None) -> None:
    publish_bytes(policy_source())
    response = Client().get("/cookies/")
    assert (response.status_code, len(response.cookies)) == (200, 0)
    assert b"Only with your yes" not in response.content
