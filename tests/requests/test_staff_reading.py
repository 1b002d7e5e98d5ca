"""Staff who see people without task, reason or a trace are reported (requests.staff-access)."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from accounts.models import User
from accounts.roles import Role
from audit.access import staff_page
from audit.control import controls, evaluate
from audit.models import Evidence, StaffAccess
from config import urls as site
from policy.models import PolicyVersion
from requests import staff_reading
from requests.models import Request
from tests.accounts.dump import dump
from tests.factories.accounts import member, staff_member
from tests.factories.requests import asked

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def fresh_rate_limits() -> None:
    cache.clear()


@staff_page("requests.view")
def careless(request: HttpRequest) -> HttpResponse:
    """Shows everybody to whoever has a role."""
    return HttpResponse(" ".join(User.objects.values_list("email", flat=True)))


def for_superusers(request: HttpRequest) -> HttpResponse:
    """Shows everybody to whoever runs the machine."""
    if not request.user.is_superuser:
        return HttpResponse(status=404)
    return careless.__wrapped__(request)  # type: ignore[attr-defined,no-any-return]  # by wraps


def test_a_site_whose_staff_are_careful_keeps_the_promise(wecustomers: PolicyVersion) -> None:
    before = dump()
    evidence = evaluate(control=controls()["requests.staff-access"], now=timezone.now())
    assert (evidence.outcome, evidence.violation_ids) == (Evidence.Outcome.KEPT, [])
    assert evidence.figures["pages"] >= 5
    after = dump()
    assert {table for table in after if after[table] != before[table]} == {"audit_evidence"}


@pytest.mark.parametrize(
    ("view", "readers"),
    [
        (careless, {"support", "reviewer", "privacy_admin", "auditor"}),
        (for_superusers, {"superuser"}),
    ],
)
def test_a_page_that_shows_people_unseen_is_a_violation(
    wecustomers: PolicyVersion,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    view: Any,
    readers: set[str],
) -> None:
    monkeypatch.setattr(site, "urlpatterns", [path("staff/everybody/", view), *site.urlpatterns])
    from django.urls import clear_url_caches

    clear_url_caches()
    found = list(staff_reading.pages_with_people(now=timezone.now()))
    clear_url_caches()
    bad = {page.name: page.wrong for page in found if page.wrong}
    assert bad == {f"{reader} /staff/everybody/": ("not written down",) for reader in readers}


def read(user: User, about: Request, **changes: Any) -> StaffAccess:
    values = {
        "at": timezone.now(),
        "staff_id": user.pk,
        "role": user.staff_role,
        "permission": "requests.review",
        "subject_id": about.subject_id,
        "task": f"request:{about.reference}",
        "reason": "to decide",
        **changes,
    }
    return StaffAccess.objects.create(**values)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"role": ""}, "role"),
        ({"role": "auditor"}, "role"),
        ({"reason": " "}, "reason"),
        ({"task": ""}, "open task"),
        ({"task": "request:000000000000"}, "open task"),
        ({"task": "letter:1"}, "open task"),
        ({"subject_id": uuid.uuid4()}, "open task"),
        ({"at": timezone.now() - 20 * DAY}, "open task"),
    ],
)
def test_a_reading_that_lacks_something_is_a_violation(
    wecustomers: PolicyVersion, changes: dict[str, Any], wrong: str
) -> None:
    now = timezone.now()
    request, reviewer = asked(member(), now=now - DAY), staff_member(Role.REVIEWER)
    read(reviewer, request)
    bad = read(reviewer, request, **changes)
    checked, violations = staff_reading._judge_readings(now + DAY)
    assert (checked, violations) == (2, [f"reading {bad.pk}: {wrong}"])


def test_the_role_is_the_one_of_that_day(wecustomers: PolicyVersion) -> None:
    from accounts import staff
    from audit.log import SYSTEM

    now = timezone.now()
    request, user = asked(member(), now=now - 5 * DAY), staff_member(Role.REVIEWER)
    read(user, request, at=now - 3 * DAY)
    staff.appoint(user=user, role=Role.SUPPORT, actor=SYSTEM, now=now - 2 * DAY)
    read(user, request, at=now - DAY)
    assert staff_reading._judge_readings(now)[1] == []
    staff.dismiss(user=user, by=staff_member(Role.PRIVACY_ADMIN), now=now - timedelta(hours=2))
    late = read(user, request, at=now - timedelta(hours=1), role="support")
    assert staff_reading._judge_readings(now)[1] == [f"reading {late.pk}: role"]


def test_a_request_is_a_task_until_a_month_after_its_end(wecustomers: PolicyVersion) -> None:
    now = timezone.now()
    request, reviewer = asked(member(), now=now - 60 * DAY), staff_member(Role.REVIEWER)
    Request.objects.filter(pk=request.pk).update(state="withdrawn", closed_at=now - 40 * DAY)
    read(reviewer, request, at=now - 11 * DAY)
    late = read(reviewer, request, at=now - 9 * DAY)
    assert staff_reading._judge_readings(now)[1] == [f"reading {late.pk}: open task"]


def test_judging_costs_the_same_for_three_as_for_one(
    wecustomers: PolicyVersion, django_assert_max_num_queries: Any
) -> None:
    now = timezone.now()
    for _time in range(3):
        read(staff_member(Role.REVIEWER), asked(member(), now=now - DAY))
        with django_assert_max_num_queries(4):
            staff_reading._judge_readings(now + DAY)
