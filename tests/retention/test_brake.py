"""The brake: what a mistaken period would take waits until somebody has looked."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Session, User
from accounts.roles import Role
from audit.models import AuditEntry
from consent.models import Message
from policy import current
from policy.models import PolicyVersion
from retention import alarms, brake, brake_decisions, schedule, sweep_worker
from retention.models import Brake, DayTaken, SweepRun, Tick
from retention.pace import Pace
from retention.sweep import Chunks, join, sweep
from tests.factories.accounts import prove_second_factor, staff_member
from tests.factories.retention import NOW, make_sessions, make_version

pytestmark = pytest.mark.django_db

S = Brake.State
LONG_AGO = NOW - timedelta(days=900)


@pytest.fixture(autouse=True)
def small_floor(settings: Any) -> Iterator[None]:
    """Ten rows are an ordinary night here."""
    settings.KEPT_SWEEP_BRAKE_FLOOR = 10
    settings.KEPT_SWEEP_BRAKE_SHARE = 0.2
    yield
    current.forget()


@pytest.fixture
def admin(wecustomers: PolicyVersion) -> User:
    return staff_member(Role.PRIVACY_ADMIN)


@pytest.fixture
def decider() -> User:
    """Whoever decides; the pages check who may."""
    return User.objects.create_user("decider@example.com", now=NOW)


@pytest.fixture
def rule() -> PolicyVersion:
    return make_version(period="1 day", effective_at=LONG_AGO)


def expired(count: int, *, days: int = 2) -> None:
    make_sessions(None, count=count, expire=NOW - timedelta(days=days))


def running(count: int) -> None:
    make_sessions(None, count=count, expire=NOW + timedelta(days=30))


def left() -> int:
    return Session.objects.filter(expire_date__lt=NOW, user=None).count()


def decide(name: str, decider: User, **more: Any) -> Brake:
    found = Brake.objects.latest("braked_at", "pk")
    given: dict[str, Any] = {"shown": found.rows, "reason": "Looked", "now": NOW, **more}
    decision: Callable[..., Brake] = getattr(brake_decisions, name)
    return decision(brake_id=found.pk, decider=decider, **given)


def test_first_sweep_after_a_mistaken_period_takes_nothing() -> None:
    """Somebody wrote "2 days" for "2 years": the real case."""
    make_version(period="2 years", effective_at=LONG_AGO)
    for days in range(1, 61):
        expired(1, days=days)
    assert sweep(now=NOW).state == SweepRun.State.DONE
    make_version(period="2 days", effective_at=NOW)

    run = sweep(now=NOW + timedelta(hours=1))

    assert run.state == SweepRun.State.BRAKED
    assert left() == 60
    step = run.steps.get(braked=True)
    assert (step.rows, step.due_rows, step.table_rows) == (0, 59, 60)
    held = Brake.objects.get()
    assert (held.state, held.rows, held.table_rows) == (S.WAITING, 59, 60)
    assert held.oldest == NOW - timedelta(days=60)
    entry = AuditEntry.objects.get(verb="retention.sweep-braked")
    assert (entry.object_id, entry.facts["rows"]) == (str(held.pk), 59)


def test_stop_outlives_a_correction_that_does_not_bind_those_rows(decider: User) -> None:
    """A longer period binds only what comes after it; those rows were promised the short one."""
    make_version(period="2 days", effective_at=LONG_AGO)
    expired(40, days=9)
    sweep(now=NOW)
    decide("stop", decider)
    make_version(period="2 years", effective_at=NOW + timedelta(seconds=30))
    run = sweep(now=NOW + timedelta(hours=1))
    assert (run.state, left()) == (SweepRun.State.BRAKED, 40)
    assert Brake.objects.get().state == S.STOPPED


def test_brake_lapses_when_it_is_no_longer_needed(rule: PolicyVersion) -> None:
    expired(40)
    sweep(now=NOW)
    running(400)
    assert sweep(now=NOW + timedelta(hours=1)).state == SweepRun.State.DONE
    assert (left(), Brake.objects.get().state) == (0, S.LAPSED)


@pytest.mark.parametrize(("due", "others", "braked"), [(20, 80, False), (21, 80, True)])
def test_share_is_a_border(rule: PolicyVersion, due: int, others: int, braked: bool) -> None:
    expired(due)
    running(others)
    run = sweep(now=NOW)
    assert (run.state == SweepRun.State.BRAKED, left()) == (braked, due if braked else 0)


@pytest.mark.parametrize(("due", "braked"), [(10, False), (11, True)])
def test_floor_is_a_border(rule: PolicyVersion, due: int, braked: bool) -> None:
    expired(due)
    run = sweep(now=NOW)
    assert (run.state == SweepRun.State.BRAKED, left()) == (braked, due if braked else 0)


def test_what_went_today_counts_and_the_next_day_begins_anew(rule: PolicyVersion) -> None:
    expired(18)
    running(82)
    assert sweep(now=NOW).state == SweepRun.State.DONE
    expired(3)
    assert sweep(now=NOW + timedelta(hours=1)).state == SweepRun.State.BRAKED
    assert left() == 3
    assert sweep(now=NOW + timedelta(days=1)).state == SweepRun.State.DONE
    assert left() == 0


@pytest.mark.parametrize(("zone", "days"), [("Europe/Berlin", 2), ("UTC", 1)])
def test_day_is_that_of_the_policys_zone(zone: str, days: int) -> None:
    """22:30 and 23:30 UTC are two days in Berlin and one in Greenwich."""
    evening = datetime(2026, 3, 3, 22, 30, tzinfo=UTC)
    make_version(period="1 day", effective_at=LONG_AGO, zone=zone)
    for hours in range(2):
        expired(5)
        sweep(now=evening + timedelta(hours=hours))
    assert DayTaken.objects.count() == days


def test_ranges_of_one_rule_are_judged_together() -> None:
    """Three versions, three ranges, each below the share: together above it."""
    make_version(period="1 day", effective_at=LONG_AGO)
    make_version(period="3 days", effective_at=NOW - timedelta(days=40))
    make_version(period="2 days", effective_at=NOW - timedelta(days=20))
    for days in (50, 30, 10):
        expired(15, days=days)
    running(80)
    run = sweep(now=NOW)
    assert run.state == SweepRun.State.BRAKED
    assert (left(), Brake.objects.count()) == (45, 1)


def test_other_rules_go_on(admin: User) -> None:
    now = timezone.now()
    make_sessions(None, count=40, expire=now - timedelta(days=3))
    run = sweep(now=now)
    assert list(run.steps.filter(braked=True).values_list("holding", flat=True)) == [
        "accounts.session"
    ]
    assert run.steps.get(holding="audit.entry").rows == 1
    assert run.steps.filter(finished_at=None).count() == 0


def test_rows_that_become_due_meanwhile_are_braked_where_they_are(
    rule: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    expired(20)
    running(80)
    real = sweep_worker.record  # type: ignore[attr-defined]  # what the module calls
    calls: list[int] = []

    def more_come(**kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            expired(30)
        return real(**kwargs)

    monkeypatch.setattr(sweep_worker, "record", more_come)
    run = sweep(now=NOW, chunks=Chunks(first=5, largest=5))
    step = run.steps.get()
    assert (run.state, step.braked) == (SweepRun.State.BRAKED, True)
    assert (step.rows, DayTaken.objects.get().taken) == (20, 20)
    assert (left(), Brake.objects.get().rows) == (30, 30)


def test_dry_run_says_what_would_be_braked_and_leaves_no_brake(rule: PolicyVersion) -> None:
    expired(40)
    step = sweep(now=NOW, dry_run=True).steps.get()
    assert (step.braked, step.rows, step.due_rows, step.table_rows) == (True, 40, 40, 40)
    assert not Brake.objects.exists()
    assert not DayTaken.objects.exists()


def test_command_says_so_and_exits_with_three(admin: User) -> None:
    make_sessions(None, count=40, expire=timezone.now() - timedelta(days=3))
    shown = StringIO()
    call_command("sweep", "--dry-run", "--holding", "accounts.session", stderr=shown, stdout=shown)
    assert "would be braked: 40 of 40 rows are due" in shown.getvalue()
    assert shown.getvalue().endswith(
        "         0  rows would go\n        40  rows would wait for an administrator\n"
    )
    said = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("sweep", "--yes", "--holding", "accounts.session", stderr=said, stdout=said)
    assert caught.value.returncode == 3
    assert "braked: 40 of 40 rows are due" in said.getvalue()


def test_administrators_are_written_to_once(admin: User) -> None:
    make_sessions(None, count=40, expire=timezone.now() - timedelta(days=3))
    staff_member(Role.AUDITOR)
    sweep(now=timezone.now())
    sweep(now=timezone.now())
    assert alarms.tell_braked(now=timezone.now()) == 0
    (letter,) = Message.objects.filter(template="sweep_braked")
    assert (letter.category, letter.subject_id) == ("staff", admin.subject_id)


def test_mail_that_fails_does_not_undo_the_brake(
    admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError

    make_sessions(None, count=40, expire=timezone.now() - timedelta(days=3))
    with monkeypatch.context() as patch:
        patch.setattr(alarms, "_write", fails)
        assert sweep(now=timezone.now()).state == SweepRun.State.BRAKED
    assert Brake.objects.get().told_at is None
    assert alarms.tell_braked(now=timezone.now()) == 1
    assert Message.objects.filter(template="sweep_braked").count() == 1


def test_release_lets_it_go_once(rule: PolicyVersion, decider: User) -> None:
    expired(40)
    sweep(now=NOW)
    Tick.objects.create(name=schedule.NAME, due_at=NOW + timedelta(hours=20))
    released = decide("release", decider)
    assert (released.state, released.allowance) == (S.RELEASED, 44)
    assert Tick.objects.get().due_at == NOW
    entry = AuditEntry.objects.get(verb="retention.brake-released")
    assert (entry.actor_id, entry.facts["allowance"]) == (decider.pk, 44)

    run = sweep(now=NOW + timedelta(minutes=1))
    assert (run.state, left()) == (SweepRun.State.DONE, 0)
    released.refresh_from_db()
    assert (released.state, released.taken) == (S.USED, 40)
    # The next one waits again: it was once.
    expired(40)
    assert sweep(now=NOW + timedelta(minutes=2)).state == SweepRun.State.BRAKED


def test_after_a_release_a_day_without_more_to_do_is_not_braked(
    rule: PolicyVersion, decider: User
) -> None:
    expired(40)
    sweep(now=NOW)
    decide("release", decider)
    sweep(now=NOW)
    assert sweep(now=NOW, dry_run=True).steps.filter(braked=True).count() == 0
    assert sweep(now=NOW).state == SweepRun.State.DONE
    assert Brake.objects.get().state == S.USED


@pytest.mark.parametrize(("more", "goes"), [(4, True), (5, False)])
def test_release_holds_for_a_tenth_more_and_no_further(
    rule: PolicyVersion, decider: User, more: int, goes: bool
) -> None:
    expired(40)
    sweep(now=NOW)
    released = decide("release", decider)
    expired(more)
    sweep(now=NOW + timedelta(minutes=1))
    released.refresh_from_db()
    assert (released.state, left()) == ((S.USED, 0) if goes else (S.LAPSED, 45))
    waiting = Brake.objects.filter(state=S.WAITING)
    assert list(waiting.values_list("rows", flat=True)) == ([] if goes else [45])


def test_release_binds_to_the_rule_as_published(rule: PolicyVersion, decider: User) -> None:
    expired(40)
    sweep(now=NOW)
    decide("release", decider)
    make_version(period="1 hour", effective_at=NOW + timedelta(seconds=30))
    sweep(now=NOW + timedelta(minutes=1))
    assert left() == 40
    assert list(Brake.objects.order_by("braked_at").values_list("state", flat=True)) == [
        S.LAPSED,
        S.WAITING,
    ]


def test_rule_that_changed_cannot_be_released(rule: PolicyVersion, decider: User) -> None:
    expired(40)
    sweep(now=NOW)
    make_version(period="1 hour", effective_at=NOW + timedelta(seconds=30))
    with pytest.raises(brake_decisions.RuleChanged):
        decide("release", decider, now=NOW + timedelta(minutes=1))


def test_release_holds_over_midnight(rule: PolicyVersion, decider: User) -> None:
    expired(40)
    sweep(now=NOW)
    decide("release", decider)
    sweep(now=datetime(2026, 3, 4, 0, 0, 1, tzinfo=UTC))
    assert left() == 0
    days = DayTaken.objects.order_by("day").values_list("taken", flat=True)
    assert list(days) == [0, 40]


def test_unused_release_lapses(rule: PolicyVersion, decider: User) -> None:
    expired(40)
    sweep(now=NOW)
    decide("release", decider)
    assert sweep(now=NOW + brake.RELEASE_LASTS).state == SweepRun.State.BRAKED
    assert left() == 40


def test_stopped_rule_stays_stopped_without_another_mail(
    rule: PolicyVersion, decider: User
) -> None:
    expired(40)
    sweep(now=NOW)
    decide("stop", decider)
    running(400)
    assert sweep(now=NOW + timedelta(days=1)).state == SweepRun.State.BRAKED
    assert (left(), Brake.objects.get().state) == (40, S.STOPPED)
    decide("release", decider)
    assert sweep(now=NOW + timedelta(days=1)).state == SweepRun.State.DONE


def test_decision_is_about_the_number_shown(rule: PolicyVersion, decider: User) -> None:
    expired(40)
    sweep(now=NOW)
    expired(10)
    sweep(now=NOW + timedelta(minutes=1))
    with pytest.raises(brake_decisions.Moved) as caught:
        decide("release", decider, shown=40)
    assert (caught.value.state, caught.value.rows) == (S.WAITING, 50)


def test_second_of_two_decisions_is_told(rule: PolicyVersion, decider: User) -> None:
    expired(40)
    sweep(now=NOW)
    decide("stop", decider)
    with pytest.raises(brake_decisions.Moved):
        decide("stop", decider)


@pytest.mark.django_db(transaction=True)
def test_two_administrators_at_once_make_one_release() -> None:
    make_version(period="1 day", effective_at=LONG_AGO)
    expired(40)
    sweep(now=NOW)
    deciders = [User.objects.create_user(f"{n}@example.com", now=NOW) for n in "ab"]
    outcomes: list[str] = []
    together = threading.Barrier(2)

    def release(decider: User) -> None:
        together.wait()
        try:
            decide("release", decider)
            outcomes.append("released")
        except brake_decisions.Moved:
            outcomes.append("moved")
        finally:
            connections.close_all()

    _in_threads(*(lambda d=d: release(d) for d in deciders))
    assert sorted(outcomes) == ["moved", "released"]
    assert AuditEntry.objects.filter(verb="retention.brake-released").count() == 1
    assert Brake.objects.get().allowance == 44


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("share", [0.2, 1.0])
def test_two_workers_take_no_more_together_than_one(settings: Any, share: float) -> None:
    """Rows keep coming while two workers sweep: what is allowed is allowed once."""
    settings.KEPT_SWEEP_BRAKE_SHARE = share
    make_version(period="1 day", effective_at=LONG_AGO)
    expired(100)
    running(400)
    run = sweep(now=NOW, budget=timedelta())
    expired(100)

    def work() -> None:
        try:
            join(run_id=run.pk, now=NOW, chunks=Chunks(first=3, largest=3))
        finally:
            connections.close_all()

    _in_threads(work, work)
    taken = 0 if share < 1 else 200
    assert DayTaken.objects.get().taken == taken
    assert left() == 200 - taken


@pytest.mark.django_db(transaction=True)
def test_two_workers_share_what_was_released() -> None:
    make_version(period="1 day", effective_at=LONG_AGO)
    expired(200)
    sweep(now=NOW)
    decide("release", User.objects.create_user("a@example.com", now=NOW))
    run = sweep(now=NOW, budget=timedelta())

    def work() -> None:
        try:
            join(run_id=run.pk, now=NOW, chunks=Chunks(first=3, largest=3))
        finally:
            connections.close_all()

    _in_threads(work, work)
    run.refresh_from_db()
    held = Brake.objects.get()
    assert (run.state, left(), held.state, held.taken) == (SweepRun.State.DONE, 0, S.USED, 200)


def _in_threads(*targets: Callable[[], None]) -> None:
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)


def test_page_decides_and_only_for_administrators(admin: User, client: Client) -> None:
    make_sessions(None, count=40, expire=timezone.now() - timedelta(days=3))
    sweep(now=timezone.now())
    held = Brake.objects.get()
    page = reverse("retention:brake", args=[held.reference])
    release = reverse("retention:release_brake", args=[held.reference])
    given = {"release-reason": "The notice is over", "release-shown": "40"}

    auditor = staff_member(Role.AUDITOR)
    prove_second_factor(client, auditor)
    assert "Let it go, once" not in client.get(page).content.decode()
    assert client.post(release, given).status_code == 403

    prove_second_factor(client, admin)
    assert "The brake stopped a rule" in client.get(reverse("retention:sweeps")).content.decode()
    assert "The brake stopped 1 rule" in client.get(reverse("staff")).content.decode()
    assert "40 of 40 rows" in client.get(page).content.decode()
    assert client.post(release, {**given, "release-reason": ""}).status_code == 400
    stale = client.post(release, {**given, "release-shown": "39"}, follow=True)
    assert "decided meanwhile, or the number changed" in stale.content.decode()
    assert client.post(release, given).status_code == 302
    held.refresh_from_db()
    assert (held.state, held.decided_by, held.reason) == (
        S.RELEASED,
        admin.pk,
        "The notice is over",
    )


def test_stop_on_the_page(admin: User, client: Client) -> None:
    make_sessions(None, count=40, expire=timezone.now() - timedelta(days=3))
    sweep(now=timezone.now())
    held = Brake.objects.get()
    prove_second_factor(client, admin)
    stop = reverse("retention:stop_brake", args=[held.reference])
    client.post(stop, {"stop-reason": "Wrong period", "stop-shown": "40"})
    held.refresh_from_db()
    assert (held.state, held.reason) == (S.STOPPED, "Wrong period")


def test_size_of_chunks_does_not_matter_to_the_brake(
    rule: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    expired(20)
    running(80)
    sizes: list[int] = []
    real = Pace.measured

    def seen(self: Pace) -> Any:
        sizes.append(self.size)
        return real(self)

    monkeypatch.setattr(Pace, "measured", seen)
    assert sweep(now=NOW, chunks=Chunks(first=1, largest=7)).state == SweepRun.State.DONE
    assert max(sizes) == 7
    assert left() == 0
