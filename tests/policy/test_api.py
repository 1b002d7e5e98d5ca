"""The policy for programs: the pages' data, without a key, a query or a cookie."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import Evidence
from datamap import registry
from policy import current
from policy.datapage import is_on
from policy.models import PolicyVersion
from tests.factories.policy import PUBLISHED_AT, edited, file_bytes, publish_bytes, relabelled

BASE = "/api/v1"
QUIET = ["policy/", "policy/versions/", "promises/", "promises/WC-9/", "data-map/"]
NEXT = relabelled(edited("policies/wecustomers.toml", ("youngest = 13", "youngest = 16")), "2")


@pytest.fixture(autouse=True)
def no_counts() -> None:
    cache.clear()


def get(client: Client, address: str, **options: Any) -> Any:
    return client.get(f"{BASE}/{address}", **options)


@pytest.mark.parametrize("address", QUIET)
def test_no_query_no_cookie_no_other_site(
    wecustomers: PolicyVersion, client: Client, django_assert_num_queries: Any, address: str
) -> None:
    get(client, address)
    with django_assert_num_queries(0):
        answer = get(client, address, headers={"origin": "https://evil.example"})
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "public, no-cache"
    assert "Accept-Language" in answer["Vary"]
    assert "Cookie" not in answer["Vary"]
    assert "Set-Cookie" not in answer
    assert not [name for name in answer.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize("address", QUIET)
def test_unchanged_answer_is_an_empty_304(
    wecustomers: PolicyVersion, client: Client, address: str
) -> None:
    first = get(client, address)
    again = get(client, address, headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    head = client.head(f"{BASE}/{address}")
    assert (head.status_code, head.content, head["ETag"]) == (200, b"", first["ETag"])


@pytest.mark.parametrize("address", [*QUIET, "policy/versions/1/", "policy/versions/1/source/"])
def test_before_the_first_publication_all_say_so(db: None, client: Client, address: str) -> None:
    answer = get(client, address)
    if address.startswith("policy/versions/1/"):
        assert answer.status_code == 404
        return
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json()["detail"] == "No policy has been published yet."


def test_policy_has_the_structure_of_the_file(wecustomers: PolicyVersion, client: Client) -> None:
    answer = get(client, "policy/").json()
    assert answer["document"] == wecustomers.document.model_dump(mode="json")
    version = answer["version"]
    assert version["digest"] == wecustomers.digest
    assert (version["state"], version["number"]) == ("in force", 1)
    assert version["published_at"] == "2017-01-02T00:00:00Z"
    assert answer["changes"] == []


def test_versions_newest_first_with_their_changes(
    wecustomers: PolicyVersion, client: Client
) -> None:
    second = publish_bytes(NEXT, now=PUBLISHED_AT + timedelta(days=1))
    listed = get(client, "policy/versions/").json()
    assert [(v["number"], v["label"]) for v in listed["results"]] == [
        (2, "2"),
        (1, wecustomers.version),
    ]
    assert listed["next"] is None
    one = client.get(listed["results"][0]["url"].partition("localhost:8000")[2]).json()
    assert one["version"] == listed["results"][0]
    assert len(one["changes"]) == len(second.changes) > 0
    by_label = get(client, f"policy/versions/{wecustomers.version}/").json()
    assert by_label["version"]["digest"] == wecustomers.digest


def test_pages_of_versions_lead_through_all_of_them(
    wecustomers: PolicyVersion, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2, 6):
        source = relabelled(file_bytes(), str(number + 1))
        publish_bytes(source, now=PUBLISHED_AT + timedelta(days=number))
    monkeypatch.setattr("audit.api.PER_PAGE", 2)
    seen, address = [], f"{BASE}/policy/versions/"
    while address:
        page = client.get(address).json()
        assert len(page["results"]) <= 2
        seen += [v["number"] for v in page["results"]]
        address = (page["next"] or "").partition("localhost:8000")[2]
    assert seen == [v.number for v in current.versions()] == [5, 4, 3, 2, 1]


def test_source_is_byte_for_byte(wecustomers: PolicyVersion, client: Client) -> None:
    answer = get(client, f"policy/versions/{wecustomers.digest}/source/")
    assert answer.content == file_bytes()
    assert hashlib.sha256(answer.content).hexdigest() == wecustomers.digest
    assert answer["Content-Type"] == "application/toml"
    assert answer["X-Content-Type-Options"] == "nosniff"
    any_form = {"accept": "application/toml", "if-none-match": answer["ETag"]}
    again = get(client, f"policy/versions/{wecustomers.digest}/source/", headers=any_form)
    assert again.status_code == 304


def test_promises_are_those_of_the_board(wecustomers: PolicyVersion, client: Client) -> None:
    answer = get(client, "promises/").json()
    promises = wecustomers.document.promises
    assert [p["id"] for p in answer["results"]] == [p.id for p in promises]
    assert sum(answer["tally"].values()) == len(promises)
    assert answer["policy_digest"] == wecustomers.digest
    one = get(client, f"promises/{promises[0].id}/").json()
    assert one == answer["results"][0]
    for unknown in ("promises/WC-999/", "promises/x/", "promises/wc-9/"):
        assert get(client, unknown).status_code == 404


def evidence(version: PolicyVersion, **values: Any) -> Evidence:
    found = {
        "control": "accounts.age-screen", "at": timezone.now(), "outcome": "kept", "checked": 1234,
        "violations": 0, "policy_digest": version.digest, "milliseconds": 1,
    }  # fmt: skip
    return Evidence.objects.create(**{**found, **values})


def test_small_figures_are_hidden_as_on_the_board(
    wecustomers: PolicyVersion, client: Client
) -> None:
    evidence(
        wecustomers, outcome="broken", violations=3, violation_ids=["secret-id"],
        figures={"pages": 12, "leaving": 4, "slowest_days": 2.5},
    )  # fmt: skip
    answer = get(client, "promises/WC-14/")
    assert answer.json()["state"] == "broken"
    assert {f["name"]: (f["value"], f["text"]) for f in answer.json()["figures"]} == {
        "checked": (1234, "1\N{NARROW NO-BREAK SPACE}234"),
        "violations": (None, "<10"),
        "pages": (12, "12"),
        "leaving": (None, "<10"),
        "slowest_days": (2.5, "2.5"),
    }
    assert "secret-id" not in answer.content.decode()


def test_failed_and_old_checks_are_not_evaluated(
    wecustomers: PolicyVersion, client: Client
) -> None:
    evidence(wecustomers, outcome="failed", checked=0, figures={"error": "ValueError"})
    answer = get(client, "promises/WC-14/")
    assert (answer.json()["state"], answer.json()["figures"]) == ("not_evaluated", [])
    assert "ValueError" not in answer.content.decode()
    long_ago = timezone.now() - timedelta(days=30)
    Evidence.objects.all()
    evidence(wecustomers, control="requests.deadlines", at=long_ago)
    states = {p["id"]: p["state"] for p in get(client, "promises/").json()["results"]}
    assert set(states.values()) <= {"not_evaluated", "no_check"}


def test_data_map_names_every_holding(wecustomers: PolicyVersion, client: Client) -> None:
    answer = get(client, "data-map/").json()
    on = [h.key for h in registry.holdings() if is_on(wecustomers.document, h.feature)]
    assert [kept["key"] for kept in answer["results"]] == on
    session = next(kept for kept in answer["results"] if kept["key"] == "accounts.session")
    rule = wecustomers.document.rules_for("accounts.session")[0]
    assert session["rules"] == [
        {"period": "1 day", "clock": "expired", "action": "delete", "text": rule.text}
    ]
    assert session["erasing"] == "delete"
    assert [f["name"] for f in session["fields"]] == ["session_key", "session_data"]


def test_page_and_program_see_the_same_version(wecustomers: PolicyVersion, client: Client) -> None:
    answer = get(client, "policy/").json()["version"]
    page = answer["page_url"].partition("localhost:8000")[2]
    assert page == reverse("policy:version", args=[wecustomers.digest])
    assert client.get(page).status_code == 200
