"""Pages of a promise: evidence, days, schedule; and the staff's, which check at once."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.roles import Role
from audit.models import AuditEntry, Evidence
from policy import board, evaluation, tasks, trail
from policy.models import PolicyVersion
from tests.factories.accounts import prove_second_factor, staff_member
from tests.policy.test_views import evidence, words

KEY, PROMISE = "accounts.age-screen", "WC-14"
ZONE = ZoneInfo("America/New_York")


def page_of(client: Client, promise: str = PROMISE) -> str:
    return words(client.get(reverse("policy:promise", args=[promise])).content)


@pytest.fixture
def privacy_admin(wecustomers: PolicyVersion, client: Client) -> Client:
    return prove_second_factor(client, staff_member(Role.PRIVACY_ADMIN))


# One promise, for everybody ---------------------------------------------------------------------


def test_every_promise_has_a_page_that_needs_no_query_again(
    wecustomers: PolicyVersion, client: Client, django_assert_num_queries: Any
) -> None:
    for day in range(3):
        evidence(KEY, wecustomers, at=timezone.now() - timedelta(days=day))
    for promise in wecustomers.document.promises:
        page_of(client, promise.id)
        with django_assert_num_queries(0):
            assert promise.id in page_of(client, promise.id)
    assert client.get(reverse("policy:promise", args=["XX-1"])).status_code == 404


def test_page_shows_the_evidence_and_hides_small_counts(
    wecustomers: PolicyVersion, client: Client
) -> None:
    secret = "01a1f907-10de-7589-bfa6-ec98353a39f7"
    values = {"checked": 321, "violations": 3, "violation_ids": [secret], "figures": {"pages": 4}}
    evidence(KEY, wecustomers, outcome="broken", **values)
    page = page_of(client)
    assert "✕ Broken" in page
    assert "Looked at 321 Not as promised <10 Pages read <10" in page
    assert "every 12 hours" in page
    assert secret not in page


def test_page_says_why_evidence_says_nothing(wecustomers: PolicyVersion, client: Client) -> None:
    assert "Not checked yet under this policy" in page_of(client)
    evidence(KEY, wecustomers, at=timezone.now() - timedelta(days=2, minutes=1))
    page = page_of(client)
    assert "? Not evaluated" in page
    assert "Last checked" in page
    assert "too long ago to say anything about today" in page
    evidence(KEY, wecustomers, outcome="failed", checked=0, figures={"error": "OperationalError"})
    page = page_of(client)
    assert "could not be carried out" in page
    assert "OperationalError" not in page
    evidence(KEY, wecustomers, policy_digest="0" * 64)
    assert "under an earlier version of the policy" in page_of(client)


def test_page_of_a_promise_nobody_checks_says_so(
    wecustomers: PolicyVersion, client: Client
) -> None:
    page = page_of(client, "WC-2")
    assert "○ No check yet" in page
    assert "no program checks it so far" in page


def test_times_of_the_schedule(wecustomers: PolicyVersion) -> None:
    now = timezone.now()
    evidence(KEY, wecustomers, at=now)
    line = board.line(version=wecustomers, promise_id=PROMISE, now=now)
    assert line is not None
    assert (line.next_at, line.counts_until) == (
        now + timedelta(hours=12),
        now + timedelta(days=2),
    )


# Days -------------------------------------------------------------------------------------------


def at(day: int, hour: int = 15) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def drawn() -> trail.Trail:
    now = at(10)
    found = trail.outcomes(keys=[KEY], now=now, zone=ZONE)
    return trail.drawn(key=KEY, outcomes=found, now=now, zone=ZONE)


def test_worst_of_a_day_counts_and_failures_say_nothing(wecustomers: PolicyVersion) -> None:
    for day, outcomes in {
        6: ["kept", "broken", "kept"],
        7: ["failed"],
        8: ["failed", "kept"],
        10: ["kept"],
    }.items():
        for hour, outcome in enumerate(outcomes, start=15):
            evidence(KEY, wecustomers, at=at(day, hour), outcome=outcome)
    found = drawn()
    assert [d.state for d in found.days[-5:]] == ["broken", "none", "kept", "none", "kept"]
    assert (len(found.days), found.days[-1].day) == (90, date(2026, 3, 10))
    assert found.summary == (
        "The last 90 days: kept on 2 days, broken on 1 day, not evaluated on 87 days."
    )
    assert [(r.state, r.words) for r in found.runs[:3]] == [
        ("kept", "10 Mar 2026"),
        ("none", "9 Mar 2026"),
        ("kept", "8 Mar 2026"),
    ]
    assert found.runs[-1].words == "11 Dec 2025 to 5 Mar 2026"


def test_days_are_the_operators(wecustomers: PolicyVersion) -> None:
    evidence(KEY, wecustomers, at=at(10, 3))  # still the ninth in New York
    assert [d.state for d in drawn().days[-2:]] == ["kept", "none"]


def test_a_broken_day_differs_in_more_than_colour() -> None:
    days = [trail.Day(date(2026, 3, 1), state, 0) for state in trail.SHAPES]
    assert len({(day.y, day.height) for day in days}) == 3


def test_drawing_is_one_query_whatever_the_amount(
    wecustomers: PolicyVersion, django_assert_num_queries: Any
) -> None:
    for day in range(1, 10):
        evidence(KEY, wecustomers, at=at(day))
        if day in (1, 3, 9):
            with django_assert_num_queries(1):
                drawn()


# Staff ------------------------------------------------------------------------------------------


def test_staff_see_exact_figures_ids_and_errors(
    wecustomers: PolicyVersion, privacy_admin: Client
) -> None:
    evidence(KEY, wecustomers, outcome="broken", checked=7, violations=2, violation_ids=["id-1"])
    evidence("consent.transfer", wecustomers, outcome="failed", figures={"error": "DataError"})
    page = words(privacy_admin.get("/staff/promises/").content)
    assert "Looked at: 7 · Not as promised: 2" in page
    assert "id-1" in page
    assert "DataError" in page


def test_staff_filter_by_state(wecustomers: PolicyVersion, privacy_admin: Client) -> None:
    evidence(KEY, wecustomers, outcome="broken", violations=1)
    content = privacy_admin.get("/staff/promises/?state=broken").content.decode()
    assert re.findall(r'<li id="(WC-\d+)">', content) == [PROMISE]
    assert "None in this state" in words(privacy_admin.get("/staff/promises/?state=kept").content)


def test_check_now_evaluates_and_tells_how_far_it_is(
    wecustomers: PolicyVersion,
    privacy_admin: Client,
    django_capture_on_commit_callbacks: Any,
) -> None:
    with django_capture_on_commit_callbacks(execute=False) as waiting:
        response = privacy_admin.post("/staff/promises/check/", {"key": KEY})
    assert response.status_code == 302
    before = privacy_admin.get(response["Location"]).content.decode()
    assert "0 of 1 checked" in before
    assert 'hx-trigger="every 2s"' in before
    assert len(waiting) == 1
    asked_at = parse_qs(urlsplit(response["Location"]).query)["asked"][0]
    tasks.check_promise_now(KEY, asked_at)
    assert Evidence.objects.filter(control=KEY).count() == 1
    after = privacy_admin.get(response["Location"]).content.decode()
    assert "1 of 1 checked" in after
    assert "hx-trigger" not in after
    assert AuditEntry.objects.get(verb="policy.check-asked").facts == {"control": KEY}


def test_check_all_counts_the_controls_in_force(
    wecustomers: PolicyVersion, privacy_admin: Client, django_capture_on_commit_callbacks: Any
) -> None:
    total = len(evaluation.controls_in_force(wecustomers))
    with django_capture_on_commit_callbacks() as waiting:
        response = privacy_admin.post("/staff/promises/check/")
    assert len(waiting) == total
    assert f"0 of {total} checked" in privacy_admin.get(response["Location"]).content.decode()


def test_check_now_is_not_done_twice(wecustomers: PolicyVersion) -> None:
    now = timezone.now()
    for _again in range(2):
        evaluation.evaluate_newer(key=KEY, version=wecustomers, asked_at=now, now=now)
    assert Evidence.objects.filter(control=KEY).count() == 1
    later = now + timedelta(seconds=1)
    evaluation.evaluate_newer(key=KEY, version=wecustomers, asked_at=later, now=later)
    assert Evidence.objects.filter(control=KEY).count() == 2


@pytest.mark.parametrize("asked", ["x", "2026-13-40T00:00:00+00:00", "2026-01-01T00:00:00", ""])
def test_an_address_with_rubbish_for_a_time_shows_the_page(
    privacy_admin: Client, asked: str
) -> None:
    page = privacy_admin.get("/staff/promises/", {"asked": asked})
    assert (page.status_code, b"check-progress" in page.content) == (200, False)


def test_check_now_needs_the_permission_and_a_control_in_force(
    wecustomers: PolicyVersion, privacy_admin: Client
) -> None:
    assert Client().post("/staff/promises/check/").status_code == 302
    assert privacy_admin.post("/staff/promises/check/", {"key": "x.y"}).status_code == 404
    assert privacy_admin.get("/staff/promises/check/").status_code == 405
    assert not AuditEntry.objects.filter(verb="policy.check-asked").exists()


@pytest.mark.parametrize("count", [1, 3])
def test_staff_pages_take_the_same_queries(
    wecustomers: PolicyVersion,
    privacy_admin: Client,
    count: int,
    django_assert_max_num_queries: Any,
) -> None:
    for _each in range(count):
        evidence(KEY, wecustomers)
    for path in ("/staff/promises/", f"/staff/promises/{KEY}/"):
        privacy_admin.get(path)
        with django_assert_max_num_queries(8):
            assert privacy_admin.get(path).status_code == 200
