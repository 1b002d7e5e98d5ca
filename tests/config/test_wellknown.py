"""Addresses under /.well-known/, as password managers and finders of holes ask for them."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from policy.models import PolicyVersion


def test_password_managers_find_the_page(client: Client, db: None) -> None:
    response = client.get("/.well-known/change-password")
    assert (response.status_code, response["Location"]) == (302, reverse("account_change_password"))


def test_security_text_names_the_controller_and_a_day_to_come(
    wecustomers: PolicyVersion, client: Client
) -> None:
    response = client.get("/.well-known/security.txt")
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    lines = response.content.decode().splitlines()
    fields = dict(line.split(": ", 1) for line in lines)
    assert fields["Contact"] == f"mailto:{wecustomers.document.controller.email}"
    assert fields["Canonical"].endswith("/.well-known/security.txt")
    left = datetime.fromisoformat(fields["Expires"]) - timezone.now()
    assert timedelta(days=28) < left < timedelta(days=365)


def test_security_text_waits_for_a_policy(db: None, client: Client) -> None:
    assert client.get("/.well-known/security.txt").status_code == 503


@pytest.mark.parametrize("name", ["change_password", "security_text"])
def test_nothing_can_be_sent_there(db: None, client: Client, name: str) -> None:
    assert client.post(reverse(name)).status_code == 405
