"""Public pages: made from the file, without queries, for everybody; staff's only for staff."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from policy.models import PolicyVersion

QUIET = ["policy:policy", "policy:versions", "policy:data", "policy:accent"]


@pytest.mark.parametrize("name", [*QUIET, "policy:promises"])
def test_pages_say_when_there_is_no_policy(db: None, client: Client, name: str) -> None:
    response = client.get(reverse(name))
    assert response.status_code == 503
    assert "No policy yet" in response.content.decode()


@pytest.mark.parametrize("name", QUIET)
def test_public_pages_need_no_query(
    wecustomers: PolicyVersion, client: Client, django_assert_num_queries: Any, name: str
) -> None:
    client.get(reverse(name))
    with django_assert_num_queries(0):
        assert client.get(reverse(name)).status_code == 200


def test_the_promise_board_needs_one_query(
    wecustomers: PolicyVersion, client: Client, django_assert_num_queries: Any
) -> None:
    client.get(reverse("policy:promises"))
    with django_assert_num_queries(1):
        assert client.get(reverse("policy:promises")).status_code == 200
