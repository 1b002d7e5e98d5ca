"""The controls see what enforcement gets wrong, and nothing where it is right."""

from datetime import date, timedelta
from typing import Any

import pytest

from accounts.age import learn_birth_date
from accounts.models import AgeVerdict, User
from audit.control import Finding, controls, evaluate
from audit.log import SYSTEM, record
from datamap.models import Subject
from policy.models import PolicyVersion
from retention import children, erase, erase_steps, erase_worker, rules
from retention.child_controls import children_locked_and_gone
from retention.controls import nothing_past_its_period
from retention.models import ChildCase
from retention.sweep import sweep
from tests.factories.policy import publish_file
from tests.factories.retention import NOW, make_person, make_sessions, make_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def site(db: None) -> PolicyVersion:
    """Published a year ago, so that the entry about it is not past its own period."""
    return publish_file(now=NOW - timedelta(days=365))


def learn(user: User, **more: Any) -> ChildCase:
    learn_birth_date(
        subject=user.subject,
        born_on=date(2016, 5, 5),
        source="other",
        actor=SYSTEM,
        now=NOW,
        **more,
    )
    return ChildCase.objects.get(subject=user.subject)


def test_periods_kept_after_a_sweep(site: PolicyVersion) -> None:
    make_person()
    make_sessions(None, count=3, expire=NOW - timedelta(days=9))
    sweep(now=NOW)
    finding = nothing_past_its_period(NOW)
    assert finding.violations == ()
    assert finding.checked > 20


def test_periods_broken_when_nobody_sweeps(site: PolicyVersion) -> None:
    (late,) = make_sessions(None, count=1, expire=NOW - timedelta(days=3))
    make_sessions(None, count=1, expire=NOW - timedelta(days=2))
    assert nothing_past_its_period(NOW).violations == (f"accounts.session:{late.pk}",)


def test_periods_see_a_sweep_that_applies_a_longer_period_to_older_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changed = NOW - timedelta(days=60)
    make_version(period="1 month", effective_at=NOW - timedelta(days=900))
    make_version(period="1 year", effective_at=changed)
    (older,) = make_sessions(None, count=1, expire=changed - timedelta(days=1))
    make_sessions(None, count=1, expire=changed + timedelta(days=1))
    real = rules.published
    monkeypatch.setattr(rules, "published", lambda now: real(now)[-1:])
    sweep(now=NOW)
    assert nothing_past_its_period(NOW).violations == (f"accounts.session:{older.pk}",)
    monkeypatch.setattr(rules, "published", real)
    sweep(now=NOW)
    assert nothing_past_its_period(NOW).violations == ()


def test_periods_see_an_account_that_should_have_been_erased(site: PolicyVersion) -> None:
    user = make_person(unconfirmed_since=NOW - timedelta(days=10))
    assert nothing_past_its_period(NOW).violations == (f"accounts.account:{user.pk}",)
    sweep(now=NOW)
    erase.work(now=NOW)
    assert nothing_past_its_period(NOW).violations == ()


def test_periods_see_data_that_would_never_end(site: PolicyVersion) -> None:
    lonely = Subject.objects.create(created_at=NOW, email="nobody@example.com")
    assert nothing_past_its_period(NOW).violations == (f"datamap.subject:{lonely.pk}",)


def test_children_kept_through_the_whole_way(site: PolicyVersion) -> None:
    case = learn(make_person("kim"))
    assert children_locked_and_gone(NOW) == Finding(
        1, (), {"slowest_lock_seconds": 0, "searched_people": 0}
    )
    children.erase_due(now=case.contest_until)
    erase.work(now=case.contest_until)
    assert children_locked_and_gone(case.contest_until + timedelta(days=1)).violations == ()


def test_children_locked_later_than_the_limit_from_arrival(site: PolicyVersion) -> None:
    case = learn(make_person("kim"), arrived_at=NOW - timedelta(hours=24, seconds=1))
    assert children_locked_and_gone(NOW).violations == (f"locked late:{case.pk}",)


def test_children_seen_when_unlocked_behind_our_back(site: PolicyVersion) -> None:
    user = make_person("kim")
    case = learn(user)
    Subject.objects.filter(pk=user.subject_id).update(locked=False)
    assert children_locked_and_gone(NOW).violations == (
        f"open again:{case.pk}",
        f"not locked:{user.subject_id}",
    )


def test_children_seen_when_nobody_erases(site: PolicyVersion) -> None:
    case = learn(make_person("kim"))
    assert children_locked_and_gone(case.erase_by).violations == ()
    late = children_locked_and_gone(case.erase_by + timedelta(seconds=1))
    assert late.violations == (f"erased late:{case.pk}",)


def test_children_seen_when_an_erasure_forgets_a_table_and_says_done(
    site: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = learn(make_person("kim"))
    children.erase_due(now=case.contest_until)
    real = erase_steps.bite

    def forgets(holding: Any, **kwargs: Any) -> int:
        return 0 if holding.key == "accounts.age" else real(holding, **kwargs)

    monkeypatch.setattr(erase_worker, "bite", forgets)
    monkeypatch.setattr(erase_worker, "left_of", lambda holding, subjects: {})
    erase.work(now=case.contest_until)
    finding = children_locked_and_gone(case.contest_until + timedelta(days=1))
    assert finding.violations == ("found in accounts_ageverdict",)


def test_children_seen_when_a_case_is_closed_without_erasing(site: PolicyVersion) -> None:
    case = learn(make_person("kim"))
    ChildCase.objects.filter(pk=case.pk).update(state="erased", closed_at=NOW)
    assert children_locked_and_gone(NOW).violations == (f"not erased:{case.pk}",)


def test_children_seen_when_knowledge_led_to_nothing(site: PolicyVersion) -> None:
    user = make_person("kim")
    record(actor=SYSTEM, verb="accounts.child-learned", now=NOW, subject_id=user.subject_id)
    assert children_locked_and_gone(NOW).violations == (f"no case:{user.subject_id}",)


@pytest.mark.parametrize(("born", "seen"), [(date(2013, 3, 4), True), (date(2013, 3, 3), False)])
def test_children_seen_by_their_birth_date_alone(
    site: PolicyVersion, born: date, seen: bool
) -> None:
    user = make_person("kim")
    AgeVerdict.objects.filter(subject=user.subject).update(born_on=born)
    expected = (f"not locked:{user.subject_id}",) if seen else ()
    assert children_locked_and_gone(NOW).violations == expected


@pytest.mark.parametrize("key", ["retention.periods", "retention.children", "retention.lasting"])
def test_controls_run_under_their_harness(site: PolicyVersion, key: str) -> None:
    assert evaluate(control=controls()[key], now=NOW).outcome == "kept"
