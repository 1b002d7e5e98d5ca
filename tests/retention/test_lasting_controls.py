"""What is to last: deliberately wrong enforcement of many sorts, and the control that sees it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from accounts.age import learn_birth_date
from accounts.models import AgeVerdict, User
from audit import movements
from audit.control import controls, evaluate
from audit.log import SYSTEM, person, record
from audit.models import Movement
from audit.movements import Reason, because
from datamap import registry
from policy.eras import eras
from policy.models import PolicyVersion
from retention import children, erase, erase_steps, lasting_controls, rules
from retention import selection as sweeping
from retention.lasting_controls import rows_that_last
from retention.models import ChildCase, Erasure
from retention.sweep import sweep
from tests.factories.accounts import member, staff_member
from tests.factories.policy import edited, publish_bytes
from tests.factories.requests import erased
from tests.factories.retention import make_person

pytestmark = pytest.mark.django_db
# Movements bear the server's time, so these tests live today.
NOW = timezone.now()
YEAR = timedelta(days=365)
RULE = """
[[retention]]
holding = "accounts.age"
clock = "passed"
period = "1 year"
action = "delete"
ground = "accountability"
text = "Birth dates end after a year."
"""


@pytest.fixture
def site(db: None) -> PolicyVersion:
    """Birth dates end after a year: a rule over a lasting table."""
    return publish_bytes(edited() + RULE.encode(), now=NOW - 3 * YEAR)


def make_verdict(name: str, *, passed_at: datetime) -> AgeVerdict:
    verdict = make_person(name, now=NOW - timedelta(days=900)).subject.age_verdict
    AgeVerdict.objects.filter(pk=verdict.pk).update(passed_at=passed_at)
    return verdict


def whys() -> list[str]:
    """Why each violation is one, without ids."""
    return [v.partition(":")[0] for v in rows_that_last(timezone.now()).violations]


def raw(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(statement)


def test_every_lasting_table_is_counted(site: PolicyVersion) -> None:
    assert {"accounts_ageverdict", "accounts_profile", "accounts_user"} <= set(
        movements.lasting_tables()
    )
    assert movements.uncounted_tables() == []


def test_kept_with_people_who_come_and_rules_that_end(site: PolicyVersion) -> None:
    make_verdict("old", passed_at=NOW - YEAR - timedelta(days=2))
    make_verdict("new", passed_at=NOW - YEAR + timedelta(days=2))
    sweep(now=NOW)
    finding = rows_that_last(timezone.now())
    assert (finding.checked, finding.violations, finding.figures) == (3, (), {"statements": 1})
    assert AgeVerdict.objects.count() == 1


def test_violation_sweep_a_day_too_early(site: PolicyVersion) -> None:
    make_verdict("old", passed_at=NOW - YEAR + timedelta(hours=23))
    sweep(now=NOW + timedelta(days=1))
    assert AgeVerdict.objects.count() == 0
    assert whys() == ["swept early"]


def test_violation_sweep_that_takes_one_row_too_many_among_the_due(
    site: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    for days in (500, 400, 300):
        make_verdict(f"p{days}", passed_at=NOW - timedelta(days=days))
    real = sweeping.due_rows
    monkeypatch.setattr(
        sweeping,
        "due_rows",
        lambda holding, due: (
            holding.rows() if holding.key == "accounts.age" else real(holding, due)
        ),
    )
    sweep(now=NOW, holding="accounts.age")
    assert whys() == ["swept early"]


def test_violation_sweep_of_rows_without_a_clock(site: PolicyVersion) -> None:
    verdict = make_verdict("old", passed_at=NOW - 2 * YEAR)
    AgeVerdict.objects.filter(pk=verdict.pk).update(passed_at=None, corrected_at=NOW)
    with because(Reason.SWEPT, refs=["0"]):
        raw("DELETE FROM accounts_ageverdict")
    assert whys() == ["swept early"]


def test_violation_sweep_of_a_table_no_rule_is_about(site: PolicyVersion) -> None:
    make_person(now=NOW - 2 * YEAR, sessions=0)
    raw("DELETE FROM accounts_ageverdict")
    with because(Reason.SWEPT, refs=["0"]):
        raw("DELETE FROM accounts_user")
    assert sorted(whys()) == ["no reason", "swept without a rule"]


def test_violation_sweep_by_another_versions_rule(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shorter period does not bind older data before it may."""
    publish_bytes(edited() + RULE.encode(), now=NOW - 3 * YEAR)
    shorter = RULE.replace("1 year", "10 days")
    publish_bytes(
        edited("policies/wecustomers.toml", ('version = "2015-12-21"', 'version = "2"'))
        + shorter.encode(),
        now=NOW - timedelta(days=32),
    )
    in_force = rules.published(NOW)[-1]
    assert in_force.older_data_at <= NOW
    make_verdict("kept", passed_at=NOW - timedelta(days=9))
    make_verdict("due", passed_at=NOW - timedelta(days=100))
    sweep(now=NOW, holding="accounts.age")
    assert (whys(), AgeVerdict.objects.count()) == ([], 1)
    movement = Movement.objects.get(of_table="accounts_ageverdict", way="went")
    # The same rows a month earlier, when the shorter period bound nobody.
    known = eras(NOW)
    movement.at = in_force.effective_at - timedelta(days=1)
    holding = next(h for h in registry.holdings() if h.key == "accounts.age")
    assert lasting_controls._not_due(movement, holding, known) == "swept early"


def test_violation_row_deleted_by_hand(site: PolicyVersion) -> None:
    make_person()
    raw("DELETE FROM accounts_ageverdict")
    assert whys() == ["no reason"]


def test_violation_reason_made_up(site: PolicyVersion) -> None:
    make_person()
    raw("SELECT set_config('kept.removal', '{\"reason\": \"sum\"}', true)")
    raw("DELETE FROM accounts_ageverdict")
    raw("SELECT set_config('kept.removal', '', true)")
    assert whys() == ["no reason"]


def _triggers_off() -> None:
    raw("ALTER TABLE accounts_ageverdict DISABLE TRIGGER USER")
    raw("DELETE FROM accounts_ageverdict WHERE passed_at IS NOT NULL")
    raw("ALTER TABLE accounts_ageverdict ENABLE TRIGGER USER")


def _truncated() -> None:
    raw("TRUNCATE accounts_ageverdict")


def _restored_row() -> None:
    raw("ALTER TABLE accounts_ageverdict DISABLE TRIGGER USER")
    raw(
        "INSERT INTO accounts_ageverdict"
        " SELECT gen_random_uuid(), born_on, passed_at, youngest, minor, policy_digest, source,"
        " corrected_at, (SELECT id FROM datamap_subject WHERE id NOT IN"
        " (SELECT subject_id FROM accounts_ageverdict)) FROM accounts_ageverdict"
    )
    raw("ALTER TABLE accounts_ageverdict ENABLE TRIGGER USER")


def _exchanged() -> None:
    """One row out, another in: the number is right and the person is not."""
    raw("ALTER TABLE accounts_ageverdict DISABLE TRIGGER USER")
    raw("UPDATE accounts_ageverdict SET id = gen_random_uuid()")
    raw("ALTER TABLE accounts_ageverdict ENABLE TRIGGER USER")


@pytest.mark.parametrize("deed", [_triggers_off, _truncated, _restored_row, _exchanged])
def test_violation_behind_the_triggers(site: PolicyVersion, deed: Callable[[], None]) -> None:
    make_person()
    lonely = make_person("bob").subject.age_verdict
    with because(Reason.SWEPT, refs=[]):
        AgeVerdict.objects.filter(pk=lonely.pk).delete()
    Movement.objects.all()  # what the deletion left is judged apart
    deed()
    assert "does not add up:accounts_ageverdict" in rows_that_last(NOW).violations


def test_violation_trigger_switched_off_and_left_so(site: PolicyVersion) -> None:
    raw("ALTER TABLE accounts_user DISABLE TRIGGER kept_went_accounts_user")
    assert rows_that_last(NOW).violations == ("not counted:accounts_user",)


# Erasures ---------------------------------------------------------------------------------------


def test_kept_when_a_person_asked_and_staff_approved(wecustomers: PolicyVersion) -> None:
    erased(member(), staff_member())
    assert Movement.objects.filter(way="went").count() == 3
    assert whys() == []


def test_violation_erasure_of_somebody_who_never_asked(site: PolicyVersion) -> None:
    user = make_person()
    erase.start(subject_id=user.subject_id, reason="request", actor=SYSTEM, now=NOW)
    erase.work(now=NOW)
    assert whys() == ["erased without a ground"] * 2


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        ([("requests.received", "deletion")], True),
        ([("requests.approved", "deletion")], True),
        ([("requests.received", "access"), ("requests.approved", "access")], True),
        (
            [
                ("requests.received", "deletion"),
                ("requests.approved", "deletion"),
                ("requests.withdrawn", "deletion"),
            ],
            True,
        ),
        ([("requests.received", "deletion"), ("requests.approved", "deletion")], False),
    ],
)
def test_violation_erasure_whose_request_came_to_nothing(
    site: PolicyVersion, words: list[tuple[str, str]], seen: bool
) -> None:
    user = make_person()
    for minutes, (verb, kind) in enumerate(words):
        at = NOW - timedelta(hours=1) + timedelta(minutes=minutes)
        actor = person(user.subject_id)
        record(actor=actor, verb=verb, now=at, subject_id=user.subject_id, facts={"kind": kind})
    erase.start(subject_id=user.subject_id, reason="request", actor=SYSTEM, now=NOW)
    erase.work(now=NOW)
    assert bool(whys()) is seen


def test_violation_erasure_that_takes_another_persons_rows(
    site: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, other = make_person(), make_person("bob")
    for verb in ("requests.received", "requests.approved"):
        record(
            actor=SYSTEM,
            verb=verb,
            now=NOW,
            subject_id=asked.subject_id,
            facts={"kind": "deletion"},
        )
    real = erase_steps.left_rows

    def far_too_much(holding: Any, subject_ids: Any) -> Any:
        if holding.key == "accounts.age":
            return holding.rows()
        return real(holding, subject_ids)

    monkeypatch.setattr(erase_steps, "left_rows", far_too_much)
    monkeypatch.setattr(erase_steps, "_count", lambda *args, **kwargs: None)
    erase.start(subject_id=asked.subject_id, reason="request", actor=SYSTEM, now=NOW)
    erase.work(now=NOW)
    assert not AgeVerdict.objects.filter(subject=other.subject).exists()
    assert whys() == ["of others"]


def test_violation_rows_said_to_go_with_an_erasure_of_somebody_else(site: PolicyVersion) -> None:
    asked, other = make_person(), make_person("bob")
    erasure = erase.start(subject_id=asked.subject_id, reason="request", actor=SYSTEM, now=NOW)
    with because(Reason.ERASED, refs=[erasure.pk], subjects=[other.subject_id]):
        other.subject.age_verdict.delete()
    with because(Reason.ERASED, refs=["no id at all"], subjects=[asked.subject_id]):
        asked.subject.age_verdict.delete()
    assert sorted(whys()) == ["no such erasure", "of others"]


def learned(user: User, *, at: datetime) -> ChildCase:
    learn_birth_date(
        subject=user.subject,
        born_on=(NOW - timedelta(days=8 * 366)).date(),
        source="other",
        actor=SYSTEM,
        now=at,
    )
    return ChildCase.objects.get(subject=user.subject)


def test_child_kept_after_the_contest_and_a_violation_before(site: PolicyVersion) -> None:
    late, early = make_person("kim"), make_person("lee")
    learned(late, at=NOW - timedelta(days=8))
    learned(early, at=NOW - timedelta(days=6))
    # A clock two days ahead: both windows seem to be over.
    children.erase_due(now=NOW + timedelta(days=2))
    erase.work(now=NOW + timedelta(days=2), batch=1)
    assert Erasure.objects.filter(state="done").count() == 2
    assert whys() == ["erased without a ground"] * 2


def test_unconfirmed_kept_after_its_period_and_a_violation_before(
    wecustomers: PolicyVersion,
) -> None:
    member(now=NOW - timedelta(days=8), confirmed=False)
    member(now=NOW - timedelta(days=6), confirmed=False)
    sweep(now=NOW)
    erase.work(now=NOW)
    assert (whys(), User.objects.count()) == ([], 1)
    sweep(now=NOW + timedelta(days=2))
    erase.work(now=NOW + timedelta(days=2))
    assert (whys(), User.objects.count()) == (["erased without a ground"] * 2, 0)


def test_violation_account_ended_as_unconfirmed_that_was_confirmed(
    wecustomers: PolicyVersion,
) -> None:
    user = member(now=NOW - timedelta(days=8))
    User.objects.filter(pk=user.pk).update(unconfirmed_since=NOW - timedelta(days=8))
    sweep(now=NOW)
    erase.work(now=NOW)
    assert whys() == ["erased without a ground"] * 3


def test_owner_removes_by_an_act_of_their_own(site: PolicyVersion) -> None:
    user, other = make_person(), make_person("bob")
    act = record(
        actor=person(user.subject_id), verb="x.removed", now=NOW, subject_id=user.subject_id
    )
    with because(Reason.OWNER, refs=[act.pk], subjects=[user.subject_id]):
        user.subject.age_verdict.delete()
    assert whys() == []
    with because(Reason.OWNER, refs=[], subjects=[other.subject_id]):
        other.subject.age_verdict.delete()
    assert whys() == ["not the owner's act"]


# The counts themselves --------------------------------------------------------------------------


def test_counts_are_out_of_reach_of_the_runtime_role(
    site: PolicyVersion, runtime_role: str
) -> None:
    make_person()
    assert Movement.objects.count() == 2
    for statement in (
        "INSERT INTO audit_movement SELECT * FROM audit_movement",
        "UPDATE audit_movement SET rows = 0",
        "DELETE FROM audit_movement",
    ):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            raw(statement)


def test_old_counts_are_added_up_and_still_meet_what_is_there(
    site: PolicyVersion, runtime_role: str
) -> None:
    for name in ("ada", "bob", "cid"):
        make_person(name)
    raw("RESET ROLE")
    raw("ALTER TABLE audit_movement DISABLE TRIGGER USER")
    raw("UPDATE audit_movement SET at = at - interval '31 days'")
    raw("ALTER TABLE audit_movement ENABLE TRIGGER USER")
    raw(f"SET ROLE {runtime_role}")
    make_person("dan")
    assert movements.add_up() == 6
    kinds = Movement.objects.filter(of_table="accounts_user").values_list("kind", "rows")
    assert sorted(kinds) == [("statement", 1), ("sum", 3)]
    assert movements.add_up() == 0
    assert rows_that_last(NOW).violations == ()


def test_what_had_no_reason_is_never_added_up(site: PolicyVersion) -> None:
    make_person()
    raw("DELETE FROM accounts_ageverdict")
    raw("ALTER TABLE audit_movement DISABLE TRIGGER USER")
    raw("UPDATE audit_movement SET at = at - interval '2 years'")
    raw("ALTER TABLE audit_movement ENABLE TRIGGER USER")
    movements.add_up()
    assert whys() == ["no reason"]


def test_statements_that_change_nothing_leave_nothing(site: PolicyVersion) -> None:
    raw("DELETE FROM accounts_ageverdict")
    assert Movement.objects.count() == 0


def test_control_runs_under_its_harness(wecustomers: PolicyVersion) -> None:
    member()
    assert evaluate(control=controls()["retention.lasting"], now=NOW).outcome == "kept"
