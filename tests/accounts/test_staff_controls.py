"""Staff without undertaking or training are reported, whatever the tables that open doors say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts import staff, undertakings
from accounts.controls.staff import training
from accounts.controls.staff import undertakings as signed
from accounts.models import StaffMember, Training, Undertaking, User
from accounts.roles import Role
from audit.control import Finding, evaluate
from audit.control import controls as declared
from audit.log import SYSTEM, person, record
from audit.log import staff as by_staff
from audit.models import StaffAccess
from policy.models import PolicyVersion
from tests.factories.accounts import bind, staff_member
from tests.factories.policy import edited, publish_bytes

NOW = datetime(2026, 6, 6, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CHECKS = {"accounts.undertakings": signed, "accounts.training": training}


def read_by(user: User, at: datetime = NOW - DAY) -> StaffAccess:
    return StaffAccess.objects.create(
        at=at,
        staff_id=user.pk,
        role="reviewer",
        permission="x",
        subject_id=user.subject_id,
        task="x:1",
        reason="r",
    )


@pytest.mark.parametrize("key", sorted(CHECKS))
def test_bound_and_trained_staff_break_nothing(wecustomers: PolicyVersion, key: str) -> None:
    for role in (Role.SUPPORT, Role.AUDITOR):
        read_by(staff_member(role))
    evidence = evaluate(control=declared()[key], now=NOW)
    assert (evidence.outcome, evidence.violation_ids) == ("kept", [])
    assert (evidence.figures["staff"], evidence.figures["not_begun"]) == (2, 0)


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_staff_without_the_duty_are_a_violation(wecustomers: PolicyVersion, check: Any) -> None:
    staff_member()
    user = staff_member(duties=False)
    assert check(NOW).violations == (f"staff {user.pk}",)


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_a_duty_that_ended_is_a_violation(wecustomers: PolicyVersion, check: Any) -> None:
    user = staff_member(duties=False)
    bind(user, until=NOW)
    assert check(NOW - timedelta(seconds=1)).violations == ()
    assert check(NOW).violations == (f"staff {user.pk}",)


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_rows_that_the_log_does_not_know_prove_nothing(
    wecustomers: PolicyVersion, check: Any
) -> None:
    user = staff_member(duties=False)
    ends = NOW + 9 * DAY
    Undertaking.objects.create(user=user, words="x", signed_at=NOW - DAY, ends_at=ends)
    Training.objects.create(
        user=user, course="x", done_at=NOW - DAY, ends_at=ends, recorded_at=NOW - DAY
    )
    assert user.missing_duties(NOW) == ()
    assert check(NOW).violations == (f"staff {user.pk}",)


def test_a_signature_by_somebody_else_is_a_violation(wecustomers: PolicyVersion) -> None:
    user, other = staff_member(duties=False), staff_member()
    undertakings.record_training(
        user=user,
        course="x",
        done_at=NOW - DAY,
        until=NOW + DAY,
        actor=by_staff(other.pk),
        now=NOW - DAY,
    )
    record(
        actor=person(other.subject_id),
        verb="accounts.undertaking-signed",
        now=NOW - DAY,
        subject_id=user.subject_id,
        facts={"until": (NOW + DAY).isoformat()},
    )
    assert signed(NOW).violations == (f"staff {user.pk}",)
    assert training(NOW).violations == ()


@pytest.mark.parametrize("own", ["pk", "subject_id"])
def test_training_written_down_by_oneself_is_a_violation(
    wecustomers: PolicyVersion, own: str
) -> None:
    user = staff_member(duties=False)
    record(
        actor=by_staff(getattr(user, own)),
        verb="accounts.training-recorded",
        now=NOW - DAY,
        subject_id=user.subject_id,
        facts={"until": (NOW + DAY).isoformat()},
    )
    assert training(NOW).violations == (f"staff {user.pk}",)


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_somebody_just_appointed_is_counted_until_they_act(
    wecustomers: PolicyVersion, check: Any
) -> None:
    user = staff_member(duties=False, now=NOW - 13 * DAY)
    assert check(NOW) == Finding.of(
        checked=check(NOW).checked,
        violations=[],
        staff=1,
        not_begun=1,
    )
    assert check(NOW + DAY).violations == (f"staff {user.pk}",)
    record(actor=by_staff(user.pk), verb="x.done", now=NOW - DAY)
    assert check(NOW).violations == (f"staff {user.pk}",)


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_a_reading_from_before_the_duty_is_a_violation(
    wecustomers: PolicyVersion, check: Any
) -> None:
    user = staff_member(duties=False)
    early = read_by(user, NOW - 2 * DAY)
    bind(user, now=NOW - DAY)
    read_by(user, NOW - DAY)
    assert check(NOW).violations == (f"reading {early.pk}",)
    StaffMember.objects.all().delete()
    assert check(NOW).violations == (f"reading {early.pk}",)
    assert check(NOW + 29 * DAY).violations == ()


def test_a_company_without_an_agreement_is_a_violation(db: None) -> None:
    toml = edited(
        "policies/clickandchat.toml",
        ('key = "hosting"', 'key = "hosting-of-ours"'),
    )
    text = toml.decode()
    start = text.index('key = "hosting-of-ours"')
    flag = text.index("agreement = true", start)
    publish_bytes((text[:flag] + "agreement = false" + text[flag + 16 :]).encode())
    assert signed(NOW).violations == ("recipient hosting-of-ours",)


def test_appointing_alone_leaves_somebody_who_has_not_begun(wecustomers: PolicyVersion) -> None:
    user = staff_member(Role.SUPPORT)
    staff.appoint(user=user, role=Role.BILLING, actor=SYSTEM, now=NOW - DAY)
    assert signed(NOW).violations == training(NOW).violations == ()
