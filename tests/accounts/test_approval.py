"""Two people: who asks, who decides, in whose place, and that the second is a second one."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import appointing, approval, staff
from accounts.approval import AlreadyAsked, CantBeDone, Changed, NotAllowed, NotWaiting, OwnAffair
from accounts.models import Approval, Deputy, StaffMember, User
from accounts.roles import Role
from audit.models import AuditEntry, StaffAccess
from datamap.models import Subject
from policy.models import PolicyVersion
from retention.erase import preview
from tests.factories.accounts import member, prove_second_factor, staff_member

NOW = datetime(2026, 3, 5, 15, tzinfo=UTC)
DAY = timedelta(days=1)
LIST = "/staff/approvals/"


@pytest.fixture(autouse=True)
def clock() -> Any:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def admin(wecustomers: PolicyVersion) -> User:
    return staff_member(Role.PRIVACY_ADMIN, first_name="Kim", last_name="Asks")


@pytest.fixture
def asked(admin: User) -> Approval:
    return appointing.ask(
        user=member(), role=Role.SUPPORT, by=admin, now=NOW, note="For the summer."
    )


def approve(asked: Approval, by: User, *, now: datetime = NOW, seen: str = "") -> Approval:
    return approval.approve(handle=asked.handle, seen=seen or asked.digest, by=by, now=now)


def roles() -> dict[Any, str]:
    return dict(StaffMember.objects.values_list("user__subject_id", "role"))


def test_a_second_person_makes_it_happen(asked: Approval) -> None:
    assert asked.about_id not in roles()
    reviewer = staff_member(Role.REVIEWER)
    decided = approve(asked, reviewer)
    assert roles()[asked.about_id] == "support"
    assert (decided.decision, decided.decided_by_id, decided.decided_at) == (
        "approved",
        reviewer.subject_id,
        NOW,
    )
    verbs = AuditEntry.objects.filter(subject_id=asked.about_id, verb__startswith="accounts.app")
    assert sorted(verbs.values_list("verb", flat=True)) == [
        "accounts.appointed",
        "accounts.approval-approved",
        "accounts.approval-asked",
    ]
    assert b"summer" not in bytes(asked.note or b"")
    assert approval.note_of(asked) == "For the summer."


def test_who_asked_never_decides(asked: Approval, admin: User) -> None:
    for act in (approve, refuse):
        with pytest.raises(OwnAffair):
            act(asked, admin)
    assert asked.about_id not in roles()


def refuse(asked: Approval, by: User) -> Approval:
    return approval.refuse(handle=asked.handle, by=by, now=NOW)


def test_whom_it_is_about_never_decides(admin: User) -> None:
    reviewer = staff_member(Role.REVIEWER)
    asked = appointing.ask(user=reviewer, role=Role.PRIVACY_ADMIN, by=admin, now=NOW)
    with pytest.raises(OwnAffair):
        approve(asked, reviewer)
    with pytest.raises(OwnAffair):
        appointing.ask(user=admin, role=Role.AUDITOR, by=admin, now=NOW)


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.AUDITOR, Role.BILLING])
def test_the_second_person_needs_the_right(asked: Approval, role: Role) -> None:
    with pytest.raises(NotAllowed):
        approve(asked, staff_member(role))
    with pytest.raises(NotAllowed):
        appointing.ask(user=member(), role=Role.SUPPORT, by=staff_member(role), now=NOW)
    assert Approval.objects.get().decision == ""


def test_the_tables_refuse_one_person_deciding_alone(asked: Approval, admin: User) -> None:
    rows = Approval.objects.filter(pk=asked.pk)
    for change in (
        {"decision": "approved", "decided_at": NOW, "decided_by": admin.subject_id},
        {"decision": "approved", "decided_at": NOW, "decided_by": asked.about_id},
        {"decision": "approved", "decided_at": NOW, "decided_by": None},
        {"decision": "approved", "decided_at": None},
        {"about": admin.subject_id},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**change)


@pytest.mark.parametrize(
    "change",
    [{"details": {"role": "privacy_admin"}}, {"digest": "0" * 64}, {"what": "accounts.other"}],
)
def test_what_is_approved_is_what_was_seen(asked: Approval, change: dict[str, Any]) -> None:
    reviewer, seen = staff_member(Role.REVIEWER), asked.digest
    if "what" not in change:
        Approval.objects.filter(pk=asked.pk).update(**change)
        with pytest.raises(Changed):
            approve(asked, reviewer, seen=seen)
    with pytest.raises(Changed):
        approve(asked, reviewer, seen="1" * 64)
    assert asked.about_id not in roles()
    assert Approval.objects.get().decision == ""


def test_a_decision_is_final_and_lapses(asked: Approval) -> None:
    reviewer = staff_member(Role.REVIEWER)
    with pytest.raises(NotWaiting):
        approve(asked, reviewer, now=asked.expires_at)
    refuse(asked, reviewer)
    for act in (approve, refuse):
        with pytest.raises(NotWaiting):
            act(asked, reviewer)
    with pytest.raises(NotWaiting):
        approval.withdraw(handle="nothing", by=reviewer, now=NOW)


def test_only_who_asked_takes_it_back(asked: Approval, admin: User) -> None:
    with pytest.raises(NotAllowed):
        approval.withdraw(handle=asked.handle, by=staff_member(Role.REVIEWER), now=NOW)
    assert approval.withdraw(handle=asked.handle, by=admin, now=NOW).decision == "withdrawn"


def test_the_same_thing_waits_once_and_can_be_asked_again_when_it_lapsed(
    asked: Approval, admin: User
) -> None:
    user = User.objects.select_related("subject").get(subject=asked.about_id)
    with pytest.raises(AlreadyAsked):
        appointing.ask(user=user, role=Role.BILLING, by=admin, now=asked.expires_at - DAY)
    again = appointing.ask(user=user, role=Role.BILLING, by=admin, now=asked.expires_at)
    asked.refresh_from_db()
    assert (asked.decision, again.decision) == ("expired", "")


def test_what_can_not_be_done_any_more_is_not_decided(asked: Approval) -> None:
    assert asked.about is not None
    Subject.objects.filter(pk=asked.about.pk).update(locked=True)
    with pytest.raises(CantBeDone):
        approve(asked, staff_member(Role.REVIEWER))
    assert Approval.objects.get().decision == ""


def test_an_unconfirmed_account_is_not_asked_for(admin: User) -> None:
    with pytest.raises(staff.NotConfirmed):
        appointing.ask(user=member(confirmed=False), role=Role.SUPPORT, by=admin, now=NOW)


# Deputies -----------------------------------------------------------------------------------------


def stand_in(
    member: User, deputy: User, span: dict[str, datetime] | None = None, *, by: User | None = None
) -> Deputy:
    span = span or {}
    return staff.name_deputy(
        member=member,
        deputy=deputy,
        starts_at=span.get("starts_at", NOW - DAY),
        ends_at=span.get("ends_at", NOW + DAY),
        by=by or member,
        now=NOW - DAY,
    )


def test_a_deputy_decides_in_the_absent_persons_place(asked: Approval) -> None:
    absent, deputy = staff_member(Role.REVIEWER), staff_member(Role.SUPPORT)
    stand_in(absent, deputy)
    decided = approve(asked, deputy)
    assert (decided.decided_by_id, decided.in_place_of_id) == (deputy.subject_id, absent.subject_id)
    entry = AuditEntry.objects.get(verb="accounts.approval-approved")
    assert entry.facts["in_place_of"] == str(absent.subject_id)


def test_a_deputy_decides_only_during_the_absence(asked: Approval) -> None:
    absent, deputy = staff_member(Role.REVIEWER), staff_member(Role.SUPPORT)
    named = stand_in(absent, deputy)
    for now in (NOW - DAY - timedelta(seconds=1), NOW + DAY):
        with pytest.raises(NotAllowed):
            approve(asked, deputy, now=now)
    assert staff.end_deputy(handle=named.handle, by=absent, now=NOW)
    with pytest.raises(NotAllowed):
        approve(asked, deputy)


def test_who_asked_finds_no_second_self_among_deputies(asked: Approval, admin: User) -> None:
    support, other = staff_member(Role.SUPPORT), staff_member(Role.BILLING)
    stand_in(admin, support)  # in the asker's own place
    stand_in(staff_member(Role.REVIEWER), other, by=admin)  # named by the asker
    for deputy in (support, other):
        with pytest.raises(NotAllowed):
            approve(asked, deputy)


def test_a_deputy_has_what_the_absent_person_has_and_no_more(asked: Approval) -> None:
    absent, deputy = staff_member(Role.REVIEWER), staff_member(Role.SUPPORT)
    stand_in(absent, deputy)
    StaffMember.objects.filter(user=absent).delete()
    with pytest.raises(NotAllowed):
        approve(asked, deputy)


def test_absences_that_make_no_sense_are_refused(wecustomers: PolicyVersion) -> None:
    one, two = staff_member(), staff_member()
    for span in (
        {"starts_at": NOW + DAY, "ends_at": NOW + DAY},
        {"starts_at": NOW + DAY, "ends_at": NOW},
        {"starts_at": NOW - 3 * DAY, "ends_at": NOW - 2 * DAY},
        {"starts_at": NOW, "ends_at": NOW + staff.LONGEST_ABSENCE + DAY},
    ):
        with pytest.raises(staff.BadAbsence):
            stand_in(one, two, span)
    with pytest.raises(staff.OneselfAsDeputy):
        stand_in(one, one)
    with pytest.raises(staff.NotStaff):
        stand_in(one, member())


# Taking a role away -------------------------------------------------------------------------------


def test_a_role_is_taken_away_with_its_sessions_and_substitutions(
    admin: User, client: Client
) -> None:
    user, deputy = staff_member(Role.REVIEWER), staff_member(Role.SUPPORT)
    stand_in(user, deputy)
    prove_second_factor(client, user)
    staff.dismiss(user=user, by=admin, now=NOW)
    assert user.subject_id not in roles()
    assert client.get("/staff/")["Location"] == "/accounts/login/?next=/staff/"
    assert Deputy.objects.filter(ends_at__gt=NOW).count() == 0
    with pytest.raises(staff.NotStaff):
        staff.dismiss(user=user, by=admin, now=NOW)


def test_nobody_dismisses_themselves_or_the_last_administrator(admin: User) -> None:
    with pytest.raises(staff.OwnRole):
        staff.dismiss(user=admin, by=admin, now=NOW)
    with pytest.raises(staff.LastAdmin):
        staff.dismiss(user=admin, by=staff_member(Role.REVIEWER), now=NOW)


# Pages --------------------------------------------------------------------------------------------


def test_asking_and_agreeing_on_the_pages(admin: User, client: Client) -> None:
    user, reviewer = member(), staff_member(Role.REVIEWER)
    prove_second_factor(client, admin)
    form = {"email": user.email.upper(), "role": "support", "note": "Summer"}
    assert client.post("/staff/team/appoint/", form)["Location"] == LIST
    asked = Approval.objects.get()
    second = prove_second_factor(Client(), reviewer)
    assert b"Waits for you" in second.get(LIST).content
    assert user.email.encode() not in second.get(LIST).content
    page = second.get(f"{LIST}{asked.handle}/")
    assert b"Robin Example becomes: Support." in page.content
    access = StaffAccess.objects.get()
    assert (access.subject_id, access.task) == (user.subject_id, f"approval:{asked.handle}")
    assert second.post(f"{LIST}{asked.handle}/approve/", {"seen": "x"}).status_code == 302
    assert user.subject_id not in roles()
    second.post(f"{LIST}{asked.handle}/approve/", {"seen": asked.digest})
    assert roles()[user.subject_id] == "support"
    assert second.get(f"{LIST}{asked.handle}/").status_code == 404


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("email", "nobody@example.com", "No account has this address"),
        ("email", "fresh@example.com", "not confirmed"),
        ("email", "\x00", ""),
        ("role", "king", ""),
        ("note", "", "Write why"),
        ("note", "x" * 2000, ""),
    ],
)
def test_a_bad_appointment_names_its_field(
    admin: User, client: Client, field: str, value: str, text: str
) -> None:
    member(email="fresh@example.com", confirmed=False)
    prove_second_factor(client, admin)
    form = {"email": member().email, "role": "support", "note": "Summer", field: value}
    response = client.post("/staff/team/appoint/", form)
    assert list(response.context["form"].errors) == [field]
    assert text in response.content.decode()
    assert Approval.objects.count() == 0


def test_approvals_are_shown_to_who_may_decide(
    asked: Approval, admin: User, client: Client
) -> None:
    page = f"{LIST}{asked.handle}/"
    billing = staff_member(Role.BILLING)
    prove_second_factor(client, billing)
    assert b"Nothing waits for you" in client.get(LIST).content
    assert client.get(page).status_code == 404
    for act in ("approve", "refuse", "withdraw"):
        assert client.post(f"{page}{act}/", {"seen": asked.digest}).status_code == 404
    stand_in(staff_member(Role.REVIEWER, first_name="Ada"), billing)
    assert b"in the place of Ada" in client.get(page).content
    prove_second_factor(client, admin)
    assert b"Take it back" in client.get(page).content
    assert Approval.objects.get().decision == ""


def test_the_list_takes_as_many_queries_for_three_as_for_one(
    admin: User, client: Client, asked: Approval
) -> None:
    prove_second_factor(client, staff_member(Role.REVIEWER))
    counts: list[int] = []
    for _time in range(2):
        with CaptureQueriesContext(connection) as queries:
            client.get(LIST)
        counts.append(len(queries))
        for _more in range(2):
            appointing.ask(user=member(), role=Role.SUPPORT, by=admin, now=NOW)
    assert counts[0] == counts[1] <= 6


def test_a_deputy_is_named_and_ended_on_the_page(wecustomers: PolicyVersion) -> None:
    user, other = staff_member(Role.REVIEWER), staff_member(Role.SUPPORT)
    client = prove_second_factor(Client(), user)
    form = {
        "deputy": staff.handle_of(other.pk),
        "first_day": "2026-03-09",
        "last_day": "2026-03-13",
    }
    assert client.post("/staff/deputies/", form)["Location"] == "/staff/deputies/"
    named = Deputy.objects.get()
    zone = wecustomers.document.zone
    assert named.starts_at == datetime(2026, 3, 9, tzinfo=zone)
    assert named.ends_at == datetime(2026, 3, 14, tzinfo=zone)
    stranger = prove_second_factor(Client(), staff_member())
    assert stranger.post(f"/staff/deputies/{named.handle}/end/").status_code == 404
    assert client.post(f"/staff/deputies/{named.handle}/end/").status_code == 302
    named.refresh_from_db()
    assert named.ends_at == named.starts_at


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("deputy", ""),
        ("deputy", "x" * 32),
        ("first_day", "soon"),
        ("last_day", "2026-03-01"),
        ("last_day", "9999-12-31"),
        ("last_day", "2027-03-01"),
    ],
)
def test_a_bad_absence_names_its_field(
    wecustomers: PolicyVersion, client: Client, field: str, value: str
) -> None:
    other = staff_member()
    prove_second_factor(client, staff_member())
    form = {
        "deputy": staff.handle_of(other.pk),
        "first_day": "2026-03-09",
        "last_day": "2026-03-13",
        field: value,
    }
    response = client.post("/staff/deputies/", form)
    assert list(response.context["form"].errors) == [field]
    assert Deputy.objects.count() == 0


def test_an_erased_person_leaves_no_words_in_an_approval(asked: Approval) -> None:
    assert asked.about_id is not None
    steps = {step.holding: step.rows for step in preview(subject_id=asked.about_id)}
    assert steps["accounts.approval"] == 1


@pytest.mark.django_db(transaction=True)
def test_two_who_agree_at_once_do_it_once(transactional_db: None) -> None:
    from tests.factories.policy import publish_file

    publish_file()
    admin = staff_member(Role.PRIVACY_ADMIN)
    asked = appointing.ask(user=member(), role=Role.SUPPORT, by=admin, now=NOW)
    reviewers = [staff_member(Role.REVIEWER) for _ in range(2)]
    found: list[str] = []
    gate = threading.Barrier(2)

    def decide(by: User) -> None:
        try:
            gate.wait()
            approve(asked, by)
            found.append("done")
        except NotWaiting:
            found.append("late")
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=[each]) for each in reviewers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["done", "late"]
    assert AuditEntry.objects.filter(verb="accounts.appointed", subject_id=asked.about_id).count()
