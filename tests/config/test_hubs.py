"""The front page and the hubs: what they show to whom, and how much work they do."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audit import control
from audit.access import privacy_sections
from policy.models import PolicyVersion
from tests.factories.accounts import member, prove_second_factor, staff_member
from tests.factories.requests import asked


def test_front_page_without_a_policy_says_so(client: Client, db: None) -> None:
    text = client.get("/").content.decode()
    assert "No policy is in force yet." in text


def test_front_page_shows_the_way_in_and_the_tally(
    client: Client, wecustomers: PolicyVersion
) -> None:
    for keeper in ("requests.deadlines", "requests.deletion-notice"):
        control.evaluate(
            control=control.controls()[keeper],
            now=timezone.now(),
            policy_digest=wecustomers.digest,
        )
    response = client.get("/")
    text = response.content.decode()
    assert wecustomers.document.site.summary[:40] in text
    assert reverse("account_signup") in text
    figures = {figure.label: figure.value for figure in response.context["figures"]}
    promised = [p.control for p in wecustomers.document.promises]
    assert figures["kept"] == promised.count("requests.deletion-notice")
    assert figures["broken"] == 0
    assert sum(figures.values()) == len(promised)
    assert "Last checked" in text
    assert "Set-Cookie" not in response.headers


def test_front_page_costs_visitors_no_query(
    client: Client, wecustomers: PolicyVersion, django_assert_num_queries: Any
) -> None:
    client.get("/")
    with django_assert_num_queries(0):
        assert client.get("/").status_code == 200


def test_privacy_centre_offers_every_section_to_the_signed_in(
    client: Client, wecustomers: PolicyVersion
) -> None:
    assert client.get(reverse("privacy")).status_code == 302
    client.force_login(member())
    response = client.get(reverse("privacy"))
    text = response.content.decode()
    for section in privacy_sections():
        assert reverse(section.url) in text, section.key
    assert response["Cache-Control"] == "private, no-store"


def test_staff_hub_is_closed_to_others(client: Client, wecustomers: PolicyVersion) -> None:
    client.force_login(member())
    assert client.get(reverse("staff")).status_code == 403


def test_staff_hub_says_what_waits(client: Client, wecustomers: PolicyVersion) -> None:
    prove_second_factor(client, staff_member())
    assert "Nothing waits." in client.get(reverse("staff")).content.decode()
    asked(member(), now=timezone.now())
    text = client.get(reverse("staff")).content.decode()
    assert "1 waits." in text
    assert reverse("requests:desk") in text


@pytest.mark.parametrize("people", [1, 3])
def test_hubs_ask_as_much_for_three_as_for_one(
    client: Client, wecustomers: PolicyVersion, people: int
) -> None:
    for _person in range(people):
        asked(member(), now=timezone.now())
    prove_second_factor(client, staff_member())
    counts = []
    for name in ("front", "privacy", "staff"):
        client.get(reverse(name))
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse(name))
        counts.append(len(queries))
    assert counts[0] <= 2  # session and user
    assert counts[1] <= 12
    assert counts[2] <= 12
