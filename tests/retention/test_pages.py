"""The staff pages: who gets in, what a decision does, what is written down before it is shown."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Func, Value
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.age import learn_birth_date
from accounts.models import Session, User
from accounts.roles import Role
from audit.log import SYSTEM
from audit.models import AuditEntry, StaffAccess
from policy.models import PolicyVersion
from retention import brake, children, overview, sweep_runs, sweep_views, sweep_worker
from retention.models import ChildCase, SweepRun
from retention.sweep import join, sweep
from retention.tasks import sweep_tick
from tests.factories.accounts import prove_second_factor, staff_member
from tests.factories.guardians import agreed
from tests.factories.retention import make_person, make_sessions

pytestmark = pytest.mark.django_db

S = ChildCase.State
RIGHT_DATE = {"day": "5", "month": "5", "year": "1990", "reason": "A typo"}


@pytest.fixture
def reviewer(wecustomers: PolicyVersion, client: Client) -> User:
    user = staff_member(Role.REVIEWER)
    prove_second_factor(client, user)
    return user


@pytest.fixture
def admin(wecustomers: PolicyVersion, client: Client) -> User:
    user = staff_member(Role.PRIVACY_ADMIN)
    prove_second_factor(client, user)
    return user


def make_case(name: str = "kim", *, statement: str = "") -> ChildCase:
    user, now = make_person(name), timezone.now()
    learn_birth_date(
        subject=user.subject, born_on=date(2016, 5, 5), source="other", actor=SYSTEM, now=now
    )
    case = ChildCase.objects.get(subject=user.subject)
    if statement:
        children.contest(case_id=case.pk, statement=statement, now=now)
    return case


def url(name: str, case: ChildCase) -> str:
    return reverse(f"retention:{name}", args=[case.reference])


@pytest.mark.parametrize("name", ["cases", "sweeps"])
def test_pages_are_closed_to_everybody_else(
    wecustomers: PolicyVersion, client: Client, name: str
) -> None:
    page = reverse(f"retention:{name}")
    assert client.get(page).status_code == 302
    client.force_login(make_person())
    assert client.get(page).status_code == 403
    client.force_login(staff_member(Role.BILLING))
    assert client.get(page).status_code == 403


def test_desk_shows_cases_without_the_person(reviewer: User, client: Client) -> None:
    case = make_case(statement="It is me, Kim.")
    page = client.get(reverse("retention:cases"))
    assert page["Cache-Control"] == "private, no-store"
    assert case.reference[:8] in page.content.decode()
    assert "Kim" not in page.content.decode()


def test_desk_asks_as_many_queries_for_three_as_for_one(reviewer: User, client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert client.get(reverse("retention:cases")).status_code == 200
        return len(caught)

    make_case("one")
    first = queries()
    make_case("two")
    make_case("three")
    assert queries() == first


def test_objection_is_shown_for_a_reason_that_is_written_down_first(
    reviewer: User, client: Client
) -> None:
    case = make_case(statement="I am 36 years old.")
    assert b"36 years" not in client.get(url("case", case)).content
    assert not StaffAccess.objects.exists()
    assert b"36 years" not in client.post(url("case", case), {"read-reason": ""}).content
    assert not StaffAccess.objects.exists()
    page = client.post(url("case", case), {"read-reason": "To decide"})
    assert b"36 years" in page.content
    access = StaffAccess.objects.get()
    assert (access.staff_id, access.subject_id, access.reason, access.task) == (
        reviewer.pk,
        case.subject_id,
        "To decide",
        f"child-case:{case.reference}",
    )


def test_release_needs_the_right_birth_date(reviewer: User, client: Client) -> None:
    case = make_case()
    for wrong in ({"reason": "A typo"}, {**RIGHT_DATE, "year": "2016"}):
        assert client.post(url("release", case), wrong).status_code == 400
    case.refresh_from_db()
    assert case.state == S.CONTEST
    assert client.post(url("release", case), RIGHT_DATE).status_code == 302
    case.refresh_from_db()
    assert (case.state, case.decided_by) == (S.RELEASED, reviewer.pk)


def test_confirm_and_parent_need_a_reason(reviewer: User, client: Client) -> None:
    case = make_case()
    assert client.post(url("confirm", case), {}).status_code == 400
    assert client.post(url("parent", case), {}).status_code == 400
    assert client.post(url("confirm", case), {"confirm-reason": "School"}).status_code == 302
    case.refresh_from_db()
    assert case.state == S.ERASING
    client.post(url("parent", case), {"parent-reason": "Form", "parent-method": "form"})
    client.post(url("release", case), RIGHT_DATE)
    case.refresh_from_db()
    assert case.state == S.ERASING


def test_parent_opens_the_account(reviewer: User, client: Client) -> None:
    case = make_case()
    agreed(User.objects.get(subject_id=case.subject_id), now=timezone.now())
    form = {"parent-reason": "Signed form", "parent-method": "form"}
    assert client.post(url("parent", case), form).status_code == 302
    case.refresh_from_db()
    assert (case.state, case.ground) == (S.RELEASED, "parent")


def test_unknown_case_is_not_found(reviewer: User, client: Client) -> None:
    assert client.get(reverse("retention:case", args=["x" * 22])).status_code == 404


def test_sweeps_page_shows_rules_lag_and_counts(admin: User, client: Client) -> None:
    page = reverse("retention:sweeps")
    assert b"The daily sweep has not run yet" in client.get(page).content
    now = timezone.now()
    make_sessions(None, count=2, expire=now - timedelta(days=4))
    sweep(now=now)
    shown = client.get(page).content.decode()
    assert "accounts.session" in shown
    assert "3 days" in shown


def test_what_the_brake_holds_has_a_lag_and_is_no_error(
    admin: User, client: Client, settings: Any
) -> None:
    settings.KEPT_SWEEP_BRAKE_FLOOR = 1
    now = timezone.now()
    make_sessions(None, count=2, expire=now - timedelta(days=4))
    sweep(now=now)
    shown = overview.page(now=now)
    (line,) = [each for each in shown["lines"] if each.rule.holding == "accounts.session"]
    assert (line.state, line.lag_words) == ("broken", "3 days")
    assert shown["figures"][-1]["value"] == 0


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request counts by itself, however slow the machine is."""
    monkeypatch.setattr(sweep_views, "AT_ONCE", timedelta(minutes=5))


def test_dry_run_on_demand_counts_and_changes_nothing(
    admin: User, client: Client, patient: None
) -> None:
    make_sessions(None, count=2, expire=timezone.now() - timedelta(days=4))
    before = Session.objects.count()
    shown = client.post(reverse("retention:dry_run"), follow=True)
    # Two log-ins, and the entry of the publication in 2017.
    assert "3 rows would go now" in shown.content.decode()
    assert Session.objects.count() == before
    assert SweepRun.objects.get().dry_run
    assert client.get(reverse("retention:dry_run")).status_code == 405


def test_dry_run_shows_share_oldest_and_an_example(
    admin: User, client: Client, patient: None
) -> None:
    make_sessions(None, count=2, expire=timezone.now() - timedelta(days=4))
    total = Session.objects.count()
    entry = AuditEntry.objects.earliest("at")
    shown = client.post(reverse("retention:dry_run"), follow=True).content.decode()
    assert f"{100 * 2 / total:.1f}".rstrip("0").rstrip(".") + "&nbsp;%" in shown
    assert str(entry.pk)[:15] in shown
    # The key of a log-in is a secret.
    assert not [s.pk for s in Session.objects.all() if s.pk[:15] in shown]


def test_count_that_takes_too_long_for_a_request_is_left_to_a_worker(
    admin: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_sessions(None, count=2, expire=timezone.now() - timedelta(days=4))
    monkeypatch.setattr(sweep_views, "AT_ONCE", timedelta())
    shown = client.post(reverse("retention:dry_run"), follow=True).content.decode()
    assert "Being counted" in shown
    assert 'hx-trigger="every 3s"' in shown
    sweep_tick()
    run = SweepRun.objects.get(dry_run=True)
    assert run.state == SweepRun.State.DONE
    page = client.get(reverse("retention:run", args=[run.reference])).content.decode()
    assert "rows would go now" in page
    assert "hx-get" not in page


def test_statement_that_takes_too_long_is_cancelled_and_left_to_others(
    admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(holding: Any, due: Any) -> Any:
        return real(holding, due).annotate(nap=Func(Value(0.5), function="pg_sleep"))

    make_sessions(None, count=3, expire=timezone.now() - timedelta(days=4))
    real = sweep_worker.due_rows  # type: ignore[attr-defined]  # what the module calls
    monkeypatch.setattr(brake, "due_rows", slow)
    run = sweep_runs.begin(now=timezone.now(), only="accounts.session", dry_run=True)
    left = join(run_id=run.pk, now=timezone.now(), count_seconds=0.05)
    assert (left.state, left.steps.get().error) == (SweepRun.State.PAUSED, "")
    monkeypatch.undo()
    done = join(run_id=run.pk, now=timezone.now())
    assert (done.state, done.steps.get().rows) == (SweepRun.State.DONE, 3)


def test_pages_ask_as_many_queries_for_three_as_for_one(admin: User, client: Client) -> None:
    now = timezone.now()

    def queries(url: str) -> int:
        with CaptureQueriesContext(connection) as caught:
            assert client.get(url).status_code == 200
        return len(caught)

    def sweep_again(number: int) -> list[int]:
        make_sessions(None, count=number, expire=now - timedelta(days=4))
        counted = sweep(now=now, dry_run=True)
        sweep(now=now)
        return [
            queries(reverse("retention:sweeps")),
            queries(reverse("retention:runs")),
            queries(reverse("retention:run", args=[counted.reference])),
        ]

    sweep_again(1)  # whoever comes first fills what the process remembers
    one = sweep_again(1)
    assert sweep_again(3) == one
