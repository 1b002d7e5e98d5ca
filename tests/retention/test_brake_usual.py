"""The brake knows what a rule does every day."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Session, User
from policy import current
from policy.models import PolicyVersion
from retention import brake_decisions
from retention.models import Brake, SweepRun
from retention.sweep import sweep
from tests.factories.retention import NOW, make_sessions, make_version

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def small_floor(settings: Any) -> Iterator[None]:
    """Ten rows are an ordinary night here."""
    settings.KEPT_SWEEP_BRAKE_FLOOR = 10
    settings.KEPT_SWEEP_BRAKE_SHARE = 0.2
    yield
    current.forget()


@pytest.fixture
def looked() -> PolicyVersion:
    """A rule that takes all there is each night; somebody let forty rows go on the first."""
    version = make_version(period="1 day", effective_at=NOW - timedelta(days=900))
    make_sessions(None, count=40, expire=NOW - timedelta(days=2))
    assert sweep(now=NOW).state == SweepRun.State.BRAKED
    decider = User.objects.create_user("decider@example.com", now=NOW)
    brake_decisions.release(
        brake_id=Brake.objects.get().pk, decider=decider, shown=40, reason="Looked", now=NOW
    )
    assert sweep(now=NOW).state == SweepRun.State.DONE
    return version


@pytest.mark.parametrize(("due", "braked"), [(80, False), (81, True)])
def test_twice_the_most_of_the_last_month_goes(
    looked: PolicyVersion, due: int, braked: bool
) -> None:
    make_sessions(None, count=due, expire=NOW - timedelta(days=2))
    dry = sweep(now=NOW + DAY, dry_run=True)
    run = sweep(now=NOW + DAY)
    assert dry.steps.filter(braked=True).exists() is braked
    assert run.state == (SweepRun.State.BRAKED if braked else SweepRun.State.DONE)
    assert Session.objects.count() == (due if braked else 0)


def test_what_went_today_is_part_of_the_usual(looked: PolicyVersion) -> None:
    for due, state in [(50, SweepRun.State.DONE), (31, SweepRun.State.BRAKED)]:
        make_sessions(None, count=due, expire=NOW - timedelta(days=2))
        assert sweep(now=NOW + DAY).state == state
    assert Session.objects.count() == 31


def test_today_makes_no_habit(looked: PolicyVersion) -> None:
    make_sessions(None, count=11, expire=NOW - timedelta(days=2))
    assert sweep(now=NOW).state == SweepRun.State.BRAKED


def test_a_habit_is_forgotten_after_a_month(looked: PolicyVersion) -> None:
    make_sessions(None, count=11, expire=NOW - timedelta(days=2))
    assert sweep(now=NOW + timedelta(days=32)).state == SweepRun.State.BRAKED


def test_another_period_is_another_rule(looked: PolicyVersion) -> None:
    make_version(period="12 hours", effective_at=NOW + timedelta(hours=1))
    make_sessions(None, count=11, expire=NOW - timedelta(days=2))
    assert sweep(now=NOW + DAY).state == SweepRun.State.BRAKED


def test_a_dry_run_makes_no_habit() -> None:
    make_version(period="1 day", effective_at=NOW - timedelta(days=900))
    make_sessions(None, count=40, expire=NOW - timedelta(days=2))
    sweep(now=NOW - DAY, dry_run=True)
    assert sweep(now=NOW).state == SweepRun.State.BRAKED
