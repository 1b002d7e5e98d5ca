"""Staff pages open for a permission and a proved second factor, and reads are written down."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import RequestFactory
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from audit import access, errands
from audit.access import Section, note_access, personal, staff_page
from audit.models import StaffAccess

NOW = datetime(2026, 3, 4, tzinfo=UTC)


@dataclass
class Staff:
    """Stands for `accounts.User`, of which this room knows six things."""

    permissions: frozenset[str] = frozenset()
    state: str = "proved"
    pk: uuid.UUID = field(default_factory=uuid.uuid4)
    staff_role: str = "support"
    is_authenticated: bool = True
    missing: tuple[str, ...] = ()

    @property
    def is_staff_member(self) -> bool:
        return bool(self.staff_role)

    def missing_duties(self, now: datetime) -> tuple[str, ...]:
        return self.missing

    def has_perm(self, permission: str) -> bool:
        return permission in self.permissions

    def second_factor_state(self, request: HttpRequest) -> str:
        return self.state


@staff_page("x.view")
@personal
def page(request: HttpRequest, number: int = 0) -> HttpResponse:
    return HttpResponse(f"secret {number}")


def asked(user: Any, **kwargs: Any) -> HttpResponseBase:
    request = RequestFactory().get("/staff/x/?a=1")
    request.user = user
    return page(request, **kwargs)


def test_the_page_opens_for_permission_and_proof() -> None:
    response = asked(Staff(frozenset({"x.view"})), number=7)
    assert isinstance(response, HttpResponse)
    assert response.content == b"secret 7"
    assert response["Cache-Control"] == "private, no-store"
    assert response["X-Robots-Tag"] == "noindex, noarchive"


def test_nobody_is_sent_to_log_in_and_back() -> None:
    response = asked(AnonymousUser())
    assert response.status_code == 302
    assert response["Location"] == "/accounts/login/?next=/staff/x/%3Fa%3D1"


@pytest.mark.parametrize("state", ["proved", "unproved", "missing"])
def test_without_the_permission_nothing_is_told(state: str) -> None:
    with pytest.raises(PermissionDenied):
        asked(Staff(frozenset({"y.view"}), state=state))


@pytest.mark.parametrize("state", ["unproved", "missing", "", "anything else"])
def test_without_a_proved_second_factor_the_page_stays_closed(state: str) -> None:
    response = asked(Staff(frozenset({"x.view"}), state=state))
    assert response.status_code == 302
    assert b"secret" not in getattr(response, "content", b"")


SUBJECT = uuid.uuid4()


@pytest.fixture
def errand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Case 1 is about `SUBJECT`, from the day before to the day after."""
    monkeypatch.setattr(errands, "_errands", {})
    span = errands.Span(SUBJECT, NOW - timedelta(days=1), NOW + timedelta(days=1))
    errands.add_errand(
        errands.Errand(
            key="case",
            title="A case",
            spans=lambda references: {"1": span} if "1" in references else {},
            open_of=lambda subject_id, now: ["1"] if subject_id == SUBJECT else [],
        )
    )


def read(user: Any, **changes: Any) -> StaffAccess:
    request = RequestFactory().get("/")
    request.user = user
    values = {"subject_id": SUBJECT, "task": "case:1", "reason": "r", "now": NOW, **changes}
    return note_access(request=request, permission="x.view", **values)


def test_reading_is_written_down(db: None, errand: None) -> None:
    user = Staff()
    read(user)
    row = StaffAccess.objects.get()
    assert (row.staff_id, row.role, row.permission) == (user.pk, "support", "x.view")
    assert (row.subject_id, row.task, row.reason, row.at) == (SUBJECT, "case:1", "r", NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "case:2"},
        {"task": "letter:1"},
        {"task": "1"},
        {"task": ""},
        {"subject_id": uuid.uuid4()},
        {"now": NOW + timedelta(days=1)},
        {"now": NOW - timedelta(days=1, microseconds=1)},
        {"reason": " "},
    ],
)
def test_nobody_reads_without_an_open_task_about_that_person(
    db: None, errand: None, changes: dict[str, Any]
) -> None:
    with pytest.raises(PermissionDenied):
        read(Staff(), **changes)
    assert StaffAccess.objects.count() == 0


def test_who_has_no_role_reads_nothing(db: None, errand: None) -> None:
    with pytest.raises(PermissionDenied):
        read(Staff(staff_role=""))
    assert StaffAccess.objects.count() == 0


def test_looking_for_nobody_is_written_down_too(db: None, errand: None) -> None:
    read(Staff(), subject_id=None, task="letter:1")
    assert StaffAccess.objects.get().subject_id is None


def test_open_tasks_and_their_names(errand: None) -> None:
    assert errands.open_tasks(subject_id=SUBJECT, now=NOW) == ["case:1"]
    assert errands.open_tasks(subject_id=uuid.uuid4(), now=NOW) == []
    assert [errands.title_of(task) for task in ("case:1", "letter:1")] == ["A case", "letter"]
    with pytest.raises(ValueError, match="two errands"):
        errands.add_errand(errands.errands()["case"])


def test_sections_come_in_order_and_only_to_who_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_staff_console", {})
    for key, order in (("b", 2), ("a", 2), ("c", 1), ("d", 3)):
        access.add_to_staff_console(
            Section(key=key, title=key, text="", url="x", permission=f"{key}.x", order=order)
        )
    request = RequestFactory().get("/")
    request.user = Staff(frozenset({"a.x", "b.x", "c.x"}))  # type: ignore[assignment]
    assert [s.key for s in access.staff_sections(request)] == ["c", "a", "b"]


def test_sections_are_refused_twice_or_without_permission(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(access, "_staff_console", {})
    monkeypatch.setattr(access, "_privacy_centre", {})
    section = Section(key="a", title="a", text="", url="x", permission="a.x")
    access.add_to_staff_console(section)
    access.add_to_privacy_centre(section)
    for add in (access.add_to_staff_console, access.add_to_privacy_centre):
        with pytest.raises(ValueError, match=r"two .* sections are called 'a'"):
            add(section)
    with pytest.raises(ValueError, match="needs a permission"):
        access.add_to_staff_console(Section(key="b", title="b", text="", url="x"))


def test_every_staff_address_is_guarded() -> None:
    """The matrix: whatever lies below /staff/ names the permission it needs."""
    open_pages = [
        route
        for route, view in _views(get_resolver().url_patterns)
        if route.startswith("staff/") and route != "staff/" and not hasattr(view, "permission")
    ]
    assert open_pages == []


def _views(patterns: list[Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found += _views(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            found.append((route, pattern.callback))
    return found
