"""Every address of the staff × every role × what is missing: who gets in, read off the site itself.

The addresses come from the URL configuration and the table of roles is `accounts.roles.TABLE`. Both
are compared with what is served, so a page that forgets its guard, or guards itself in another
way, stands out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import User
from accounts.roles import TABLE, Role
from audit.api import ApiView
from audit.models import StaffAccess
from policy.models import PolicyVersion
from tests.factories.accounts import log_in, member, prove_second_factor, staff_member

ARGUMENT = re.compile(r"<(?:[^:>]+:)?[^>]+>")
# Pages of the staff for every role; all others name a permission.
FOR_EVERY_ROLE = {
    "staff/",
    "staff/duties/",
    "staff/deputies/",
    "staff/deputies/<slug:handle>/end/",
    "staff/approvals/",
    "staff/approvals/<slug:handle>/",
    "staff/approvals/<slug:handle>/approve/",
    "staff/approvals/<slug:handle>/refuse/",
    "staff/approvals/<slug:handle>/withdraw/",
}
NAME = "0" * 12  # of no row, and right for every sort of reference
DUTIES = "staff/duties/"
TOTP, AGAIN = "/accounts/2fa/totp/activate/", "/accounts/2fa/reauthenticate/"


@pytest.fixture(autouse=True)
def fresh_rate_limits() -> None:
    cache.clear()


def views(
    patterns: list[URLPattern | URLResolver] | None = None, before: str = ""
) -> Iterator[tuple[str, Any]]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from views(pattern.url_patterns, route)
        else:
            yield route, pattern.callback


STAFF = {route: view for route, view in views() if route.startswith("staff/")}


def answers(client: Client) -> dict[str, tuple[int, str]]:
    """Route → what a GET gets: status, and where it leads."""
    found = {}
    for route in STAFF:
        path = "/" + ARGUMENT.sub(NAME, route)
        response = client.get(path)
        found[route] = (response.status_code, response.headers.get("Location", ""))
    return found


def is_in(answer: tuple[int, str]) -> bool:
    """Past the guard: a page, a missing thing, a wrong method, or on to something else."""
    status, there = answer
    return status in (200, 404, 405) or (status == 302 and not there.startswith("/accounts/"))


def entered(role: str, **options: Any) -> Client:
    return prove_second_factor(Client(), staff_member(role, **options))


def test_every_address_of_the_staff_names_a_permission_of_the_table() -> None:
    assert len(STAFF) > 30
    named = {route: getattr(view, "permission", None) for route, view in STAFF.items()}
    assert {route for route, permission in named.items() if permission == ""} == FOR_EVERY_ROLE
    strange = {r: p for r, p in named.items() if p != "" and p not in TABLE}
    assert strange == {}
    assert [route for route, view in STAFF.items() if not view.duties] == [DUTIES]


def test_every_permission_of_the_table_is_held_by_somebody() -> None:
    assert [permission for permission, roles in TABLE.items() if not roles] == []


@pytest.mark.parametrize("role", Role.values)
def test_a_role_opens_exactly_its_pages(wecustomers: PolicyVersion, role: str) -> None:
    found = answers(entered(role))
    expected = {
        route: view.permission == "" or Role(role) in TABLE[view.permission]
        for route, view in STAFF.items()
    }
    assert {route: is_in(answer) for route, answer in found.items()} == expected
    closed = {answer for route, answer in found.items() if not expected[route]}
    assert closed <= {(403, "")}
    assert StaffAccess.objects.count() == 0


@pytest.mark.parametrize("role", Role.values)
def test_without_a_second_factor_a_role_opens_nothing(
    wecustomers: PolicyVersion, role: str
) -> None:
    for client, there in (
        (log_in(Client(), staff_member(role, totp=False)), TOTP),
        (signed_in(staff_member(role)), AGAIN),
    ):
        found = answers(client)
        assert {status for status, _where in found.values()} <= {302, 403}
        assert {where.partition("?")[0] for s, where in found.values() if s == 302} == {there}


@pytest.mark.parametrize("role", Role.values)
@pytest.mark.parametrize("missing", ["undertaking", "training", "both"])
def test_without_a_duty_a_role_opens_its_duties_only(
    wecustomers: PolicyVersion, role: str, missing: str
) -> None:
    user = staff_member(role, duties=missing != "both")
    if missing == "undertaking":
        user.undertakings.all().delete()
    if missing == "training":
        user.trainings.all().delete()
    found = answers(prove_second_factor(Client(), user))
    assert found.pop(DUTIES)[0] == 200
    assert set(found.values()) <= {(302, "/" + DUTIES), (403, "")}
    opened = {route for route, answer in found.items() if answer[0] == 302}
    assert opened == {
        route
        for route, view in STAFF.items()
        if route != DUTIES and (view.permission == "" or Role(role) in TABLE[view.permission])
    }


@pytest.mark.parametrize("who", ["member", "superuser"])
def test_others_open_nothing(wecustomers: PolicyVersion, who: str) -> None:
    user = member()
    User.objects.filter(pk=user.pk).update(
        is_staff=who == "superuser", is_superuser=who == "superuser"
    )
    client = prove_second_factor(Client(), User.objects.get(pk=user.pk))
    assert set(answers(client).values()) == {(403, "")}


def test_visitors_are_sent_to_log_in(wecustomers: PolicyVersion) -> None:
    found = answers(Client())
    assert {status for status, _where in found.values()} == {302}
    assert {where.partition("?")[0] for _status, where in found.values()} == {"/accounts/login/"}


@pytest.mark.parametrize("role", Role.values)
def test_a_form_gets_in_nowhere_its_page_does_not(wecustomers: PolicyVersion, role: str) -> None:
    client = entered(role)
    for route, view in STAFF.items():
        if view.permission and Role(role) not in TABLE[view.permission]:
            path = "/" + ARGUMENT.sub(NAME, route)
            assert client.post(path, {}).status_code == 403, route


def test_the_api_knows_no_staff() -> None:
    """A key opens its owner's data or is the site's own. No role counts there, so that nothing can
    be read past reason, task and second factor.
    """
    found = [
        (route, view.cls)
        for route, view in views()
        if route.startswith("api/v1/") and hasattr(view, "cls")
    ]
    assert len(found) > 20
    strange = [route for route, cls in found if not issubclass(cls, ApiView)]
    assert strange == []
    by_role = [
        route
        for route, cls in found
        for permission in cls.permission_classes
        if "staff" in permission.__name__.lower()
        or "role" in permission.__name__.lower()
        or not permission.__module__.startswith(("audit.", "accounts.", "rest_framework."))
    ]
    assert by_role == []


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
