"""Parents: asked, verified, free to take it back; and what is held for that goes in time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import guardian_access, guardians
from accounts.age import learn_birth_date
from accounts.kinds_held import kinds
from accounts.models import AgeVerdict, Guardianship, Profile, ProfileSetting, Session, User
from accounts.visibility import Viewer, visible
from audit.log import SYSTEM
from audit.models import AuditEntry
from consent import mail
from consent.models import Event, Message
from datamap.models import Subject
from policy.models import PolicyVersion
from retention import children, erase
from retention.models import ChildCase, Erasure
from tests.factories.guardians import (
    PARENT,
    WORDS,
    agreed,
    asked,
    case_of,
    code_for,
    link_to,
    locked_child,
    token_of,
    verified,
)
from tests.factories.policy import publish_file
from tests.factories.retention import NOW, make_person, make_sessions

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
# Two weeks on the operator's calendar, whose clocks change in between.
TWO_WEEKS = timedelta(days=14, hours=-1)


@pytest.fixture
def child(wecustomers: PolicyVersion) -> User:
    return locked_child(now=NOW)


@pytest.fixture
def reviewer(wecustomers: PolicyVersion) -> User:
    return make_person("rita")


def flags(user: User) -> tuple[bool, bool, bool]:
    return Subject.objects.values_list("locked", "restricted", "minor").get(pk=user.subject_id)


def ended(user: User) -> list[str]:
    entries = AuditEntry.objects.filter(subject_id=user.subject_id, verb=guardians.ENDED)
    return [entry.facts["why"] for entry in entries.order_by("at")]


def test_asking_holds_an_address_encrypted_and_writes_once(child: User) -> None:
    row = asked(child, now=NOW, address=" Parent@Example.com ")
    assert (row.state, row.asked_at, row.answer_until) == ("asked", NOW, NOW + TWO_WEEKS)
    assert b"parent@" not in bytes(row.address or b"")
    assert guardian_access.address_of(row) == PARENT
    guardian = row.guardian
    assert guardian is not None
    assert (guardian.email, hasattr(guardian, "user")) == (None, False)
    (letter,) = Message.objects.filter(template="guardian_asked")
    assert (letter.subject_id, letter.category) == (guardian.pk, "account")
    text = mail.text_of(letter)
    assert "17 March 2026, 07:00 (New York time)" in text
    assert "kim" not in text.lower()


def test_asking_lets_the_window_wait_for_the_answer(child: User) -> None:
    before = case_of(child)
    asked(child, now=NOW + DAY)
    case = case_of(child)
    assert case.contest_until == NOW + DAY + TWO_WEEKS
    assert case.erase_by == case.contest_until + timedelta(hours=48)
    assert case.contest_until > before.contest_until
    assert children.erase_due(now=case.contest_until - timedelta(seconds=1)) == 0
    assert children.erase_due(now=case.contest_until) == 1
    assert not Guardianship.objects.exists()
    assert ended(child) == ["erased"]


def test_no_answer_in_time_deletes_what_was_held_to_ask(child: User) -> None:
    row = asked(child, now=NOW)
    assert row.answer_until is not None
    assert guardians.end_due(now=row.answer_until - timedelta(microseconds=1)) == 0
    assert guardian_access.find(token=token_of(link_to(row)), now=row.answer_until) is None
    assert guardians.end_due(now=row.answer_until) == 1
    assert guardians.end_due(now=row.answer_until) == 0
    assert not Guardianship.objects.exists()
    assert ended(child) == ["no-answer"]


def test_another_address_takes_the_place_of_the_first_and_its_link(child: User) -> None:
    first = link_to(asked(child, now=NOW))
    row = asked(child, now=NOW + DAY, address="other@example.com")
    assert Guardianship.objects.count() == 1
    assert guardian_access.address_of(row) == "other@example.com"
    assert row.answer_until == NOW + TWO_WEEKS
    assert guardian_access.find(token=token_of(first), now=NOW + DAY) is None
    asked(child, now=NOW + DAY, address="third@example.com")
    with pytest.raises(guardians.TooManyAsked):
        asked(child, now=NOW + DAY, address="fourth@example.com")


def test_one_address_is_not_asked_for_many_children(child: User) -> None:
    for number in range(guardians.MOST_CHILDREN):
        asked(locked_child(f"c{number}", now=NOW), now=NOW)
    with pytest.raises(guardians.TooManyAsked):
        asked(child, now=NOW)
    assert not Guardianship.objects.filter(subject=child.subject).exists()


@pytest.mark.parametrize("address", ["kim@example.com", " KIM@example.COM"])
def test_own_address_is_refused(child: User, address: str) -> None:
    with pytest.raises(guardians.OwnAddress):
        asked(child, now=NOW, address=address)


@pytest.mark.parametrize("address", ["", "a", "a@b@c", "a@example.com, b@example.com", "a\r\n@b.c"])
def test_what_is_no_address_is_refused(child: User, address: str) -> None:
    with pytest.raises(ValidationError):
        asked(child, now=NOW, address=address)
    assert not Message.objects.filter(template="guardian_asked").exists()


def test_a_policy_without_the_way_refuses(clickandchat: PolicyVersion) -> None:
    with pytest.raises(guardians.NoParentalPath):
        asked(locked_child(now=NOW), now=NOW)


def test_known_person_is_asked_as_the_person_they_are(child: User) -> None:
    parent = make_person("parent")
    row = asked(child, now=NOW)
    assert row.guardian_id == parent.subject_id


def test_code_opens_once_and_for_minutes(child: User) -> None:
    row = asked(child, now=NOW)
    assert guardian_access.send_code(guardianship_id=row.pk, now=NOW)
    code = code_for(row)

    def given(text: str, at: datetime = NOW) -> bool:
        return guardian_access.check_code(guardianship_id=row.pk, code=text, now=at)

    assert not given(code, NOW + guardian_access.CODE_LIFE)
    assert not given("")
    assert given(code)
    assert not given(code)


def test_code_takes_few_tries_and_a_pause_before_the_next(child: User) -> None:
    row = asked(child, now=NOW)
    guardian_access.send_code(guardianship_id=row.pk, now=NOW)
    code = code_for(row)
    for _ in range(guardian_access.CODE_TRIES):
        assert not guardian_access.check_code(guardianship_id=row.pk, code="x", now=NOW)
    assert not guardian_access.check_code(guardianship_id=row.pk, code=code, now=NOW)
    soon = NOW + guardian_access.CODE_PAUSE
    assert not guardian_access.send_code(guardianship_id=row.pk, now=soon - timedelta(seconds=1))
    assert guardian_access.send_code(guardianship_id=row.pk, now=soon)
    assert guardian_access.check_code(guardianship_id=row.pk, code=code_for(row), now=soon)


def test_code_of_one_row_does_not_open_another(child: User) -> None:
    row, other = asked(child, now=NOW), asked(locked_child("lee", now=NOW), now=NOW)
    guardian_access.send_code(guardianship_id=row.pk, now=NOW)
    code = code_for(row)
    guardian_access.send_code(guardianship_id=other.pk, now=NOW)
    assert code_for(other) != code
    assert not guardian_access.check_code(guardianship_id=other.pk, code=code, now=NOW)


def test_yes_changes_nothing_until_it_is_verified(child: User) -> None:
    row = agreed(child, now=NOW + DAY)
    assert (row.state, row.agreed_at, row.disclosure) == ("agreed", NOW + DAY, False)
    assert guardians.contact_of(row) == "+1 202 555 0143, evenings"
    assert b"555" not in bytes(row.contact or b"")
    assert flags(child)[:2] == (True, True)
    assert case_of(child).contest_until == row.answer_until
    with pytest.raises(guardians.AlreadyAnswered):
        asked(child, now=NOW + DAY)


def test_yes_twice_or_too_late_is_over(child: User) -> None:
    row = agreed(child, now=NOW)
    for late in (NOW, case_of(child).contest_until):
        with pytest.raises(guardians.Over):
            guardians.agree(
                guardianship_id=row.pk,
                method="form",
                contact="",
                disclosure=True,
                shown=WORDS,
                now=late,
            )
    row.refresh_from_db()
    assert (row.method, row.disclosure) == ("call", False)


def test_yes_after_the_erasure_began_is_over(child: User) -> None:
    row = asked(child, now=NOW)
    ChildCase.objects.filter(subject=child.subject).update(state=ChildCase.State.ERASING)
    with pytest.raises(guardians.Over):
        guardians.agree(
            guardianship_id=row.pk,
            method="form",
            contact="",
            disclosure=False,
            shown=WORDS,
            now=NOW,
        )


def test_verifying_opens_the_account_and_deletes_the_papers(child: User, reviewer: User) -> None:
    row = verified(child, reviewer, now=NOW + DAY)
    assert (row.state, row.verified_by, row.method) == ("verified", reviewer.pk, "call")
    assert (row.contact, row.answer_until) == (None, None)
    assert flags(child) == (False, False, True)
    assert (case_of(child).state, case_of(child).ground) == ("released", "parent")
    advice = Event.objects.get(subject=child.subject, key="minors-advice")
    assert advice.at == NOW + DAY
    later = NOW + timedelta(days=400)
    assert guardians.end_due(now=later) == 0
    assert guardian_access.find(token=token_of(link_to(row)), now=later) == row


def test_neither_child_nor_parent_verifies(child: User) -> None:
    parent = make_person("parent")
    agreed(child, now=NOW)
    for decider, error in ((child, children.OwnCase), (parent, guardians.OwnWard)):
        with pytest.raises(error):
            children.verify_parental_consent(
                case_id=case_of(child).pk, method="call", reason="Me", decider=decider, now=NOW
            )
    assert flags(child)[:2] == (True, True)


@pytest.mark.parametrize("state", ["none", "asked", "late"])
def test_nothing_is_verified_without_a_standing_yes(
    child: User, reviewer: User, state: str
) -> None:
    now = NOW
    if state == "asked":
        asked(child, now=NOW)
    if state == "late":
        until = agreed(child, now=NOW).answer_until
        assert until is not None
        now = until
    with pytest.raises(guardians.Over):
        children.verify_parental_consent(
            case_id=case_of(child).pk, method="form", reason="So", decider=reviewer, now=now
        )
    assert flags(child)[:2] == (True, True)


def test_no_forgets_the_parent_and_hastens_nothing(child: User) -> None:
    window = case_of(child).contest_until
    row = asked(child, now=NOW)
    guardians.refuse(guardianship_id=row.pk, now=NOW + DAY)
    assert not Guardianship.objects.exists()
    case = case_of(child)
    assert (case.state, case.contest_until) == ("contest", window)
    assert not Erasure.objects.exists()
    with pytest.raises(guardians.AlreadyAnswered):
        asked(child, now=NOW + DAY, address="other@example.com")
    with pytest.raises(guardians.Over):
        guardians.refuse(guardianship_id=row.pk, now=NOW + DAY)


def test_no_after_the_window_lets_the_erasure_begin(child: User) -> None:
    window = case_of(child).contest_until
    row = asked(child, now=NOW)
    guardians.refuse(guardianship_id=row.pk, now=window + DAY)
    assert children.erase_due(now=window + DAY) == 1


def test_consent_taken_back_locks_at_once_with_a_new_case(child: User, reviewer: User) -> None:
    row = verified(child, reviewer, now=NOW)
    make_sessions(child, count=2, expire=NOW + timedelta(days=60))
    later = NOW + timedelta(days=40)
    guardians.withdraw(guardianship_id=row.pk, erase=False, now=later)
    assert flags(child)[:2] == (True, True)
    assert not Session.objects.filter(user=child).exists()
    case = case_of(child)
    assert (case.state, case.learned_at, case.arrived_at) == ("contest", later, later)
    assert not Guardianship.objects.exists()
    assert ended(child) == ["withdrawn"]
    entry = AuditEntry.objects.get(subject_id=child.subject_id, verb=guardians.ENDED)
    assert entry.facts == {
        "why": "withdrawn",
        "state": "verified",
        "method": "call",
        "disclosure": False,
        "agreed_at": NOW.isoformat(),
        "verified_at": NOW.isoformat(),
    }
    entry = AuditEntry.objects.get(subject_id=child.subject_id, verb=guardians.VERIFIED)
    assert (entry.actor_id, entry.facts) == (reviewer.pk, {"method": "call", "disclosure": False})
    with pytest.raises(guardians.AlreadyAnswered):
        asked(child, now=later)


def test_deletion_by_a_verified_parent_waits_for_nobody(child: User, reviewer: User) -> None:
    row = verified(child, reviewer, now=NOW)
    later = NOW + timedelta(days=40)
    guardians.withdraw(guardianship_id=row.pk, erase=True, now=later)
    assert case_of(child).state == "erasing"
    erase.work(now=later)
    assert case_of(child).state == "erased"
    assert not User.objects.filter(pk=child.pk).exists()


def test_withdrawing_needs_a_verified_consent(child: User) -> None:
    row = agreed(child, now=NOW)
    with pytest.raises(guardians.Over):
        guardians.withdraw(guardianship_id=row.pk, erase=True, now=NOW)
    assert not Erasure.objects.exists()


def test_disclosure_is_a_consent_of_its_own(child: User, reviewer: User) -> None:
    other = make_person("olga")
    everybody = [child.subject_id, other.subject_id]
    row = verified(child, reviewer, now=NOW)
    assert guardians.undisclosed(everybody) == {child.subject_id}
    guardians.change_disclosure(guardianship_id=row.pk, may=True, shown=WORDS, now=NOW)
    assert guardians.undisclosed(everybody) == set()
    assert flags(child) == (False, False, True)


def test_child_is_shown_to_others_only_by_the_second_consent(child: User, reviewer: User) -> None:
    ProfileSetting.objects.create(
        subject=child.subject, key="first_name", audience="members", since=NOW
    )
    Profile.objects.create(subject=child.subject, opened_at=NOW, changed_at=NOW)
    owner, seen_by = child.subject_id, Viewer(subject_id=reviewer.subject_id)
    row = verified(child, reviewer, now=NOW)
    assert visible(owner=owner, viewer=seen_by, now=NOW) is None
    guardians.change_disclosure(guardianship_id=row.pk, may=True, shown=WORDS, now=NOW)
    shown = visible(owner=owner, viewer=seen_by, now=NOW)
    assert shown is not None
    assert shown.values == {"first_name": "Kim"}


def test_erased_parent_takes_their_address_along_and_the_consent_ends(
    child: User, reviewer: User
) -> None:
    row = verified(child, reviewer, now=NOW)
    assert row.guardian_id is not None
    erase.start(subject_id=row.guardian_id, reason="request", actor=SYSTEM, now=NOW)
    erase.work(now=NOW)
    assert Guardianship.objects.filter(guardian=None, address=None, address_hash="").count() == 1
    assert guardians.end_due(now=NOW + DAY) == 1
    assert flags(child)[:2] == (True, True)
    assert not Guardianship.objects.exists()


def test_erased_child_takes_the_row_along(child: User) -> None:
    asked(child, now=NOW)
    erase.start(subject_id=child.subject_id, reason="request", actor=SYSTEM, now=NOW)
    erase.work(now=NOW)
    assert not Guardianship.objects.exists()
    assert case_of(child).state == "erased"


def test_child_who_turns_thirteen_needs_no_parent_any_more(reviewer: User) -> None:
    child = locked_child("teo", now=NOW, born_year=2013)
    verified(child, reviewer, now=NOW)
    birthday = datetime(2026, 5, 5, 3, tzinfo=NOW.tzinfo)  # still the 4th in New York
    assert guardians.end_due(now=birthday) == 0
    assert guardians.end_due(now=birthday + timedelta(hours=3)) == 1
    assert ended(child) == ["of-age"]
    (letter,) = Message.objects.filter(template="guardian_of_age")
    assert "no message like it follows" in mail.text_of(letter)
    assert flags(child) == (False, False, True)


def test_corrected_date_of_a_child_with_consent_locks_nobody(child: User, reviewer: User) -> None:
    verified(child, reviewer, now=NOW)
    learned = learn_birth_date(
        subject=child.subject, born_on=date(2015, 1, 1), source="person", actor=SYSTEM, now=NOW
    )
    assert learned.child
    assert flags(child) == (False, False, True)
    assert AgeVerdict.objects.get(subject=child.subject).born_on == date(2015, 1, 1)


def test_one_that_fails_stops_none_of_the_others(
    child: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = locked_child("lee", now=NOW)
    first, second = asked(child, now=NOW), asked(other, now=NOW)
    until = second.answer_until
    assert until is not None
    real = guardians.end

    def fails(*, subject_id: UUID, **rest: Any) -> bool:
        if subject_id == first.subject_id:
            raise RuntimeError
        return real(subject_id=subject_id, **rest)

    monkeypatch.setattr(guardians, "end", fails)
    assert guardians.end_due(now=until) == 1
    assert Guardianship.objects.get() == first
    monkeypatch.setattr(guardians, "end", real)
    assert guardians.end_due(now=until) == 1


def test_kinds_name_what_is_held_in_one_query(child: User) -> None:
    with CaptureQueriesContext(connection) as queries:
        found = kinds(subject_id=child.subject_id)
    assert len(queries) == 1
    contents = {str(kind.title): kind.contents for kind in found}
    assert contents["Accounts"][:2] == ("e-mail address", "first name")
    assert "Dates of birth" in contents


def test_release_as_no_child_forgets_the_parent(child: User, reviewer: User) -> None:
    asked(child, now=NOW)
    children.confirm_not_child(
        case_id=case_of(child).pk,
        reason="Typo",
        decider=reviewer,
        now=NOW,
        born_on=date(1990, 1, 1),
    )
    assert not Guardianship.objects.exists()
    assert ended(child) == ["no-child"]


def test_asking_takes_the_same_queries_whoever_reads_the_address(child: User) -> None:
    make_person("known")
    counts = []
    for name, address in (("a1", "known@example.com"), ("a2", "unknown@example.com")):
        case = case_of(locked_child(name, now=NOW))
        with CaptureQueriesContext(connection) as queries:
            children.ask_parent(case_id=case.pk, address=address, now=NOW)
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.django_db(transaction=True)
def test_parent_and_staff_at_once_leave_one_answer() -> None:
    publish_file()
    for round_number in range(3):
        child, reviewer = locked_child(f"c{round_number}", now=NOW), make_person(f"r{round_number}")
        row = agreed(child, now=NOW, address=f"p{round_number}@example.com")
        case_id = case_of(child).pk

        def verify(case_id: UUID = case_id, decider: User = reviewer) -> None:
            children.verify_parental_consent(
                case_id=case_id, method="call", reason="Called", decider=decider, now=NOW
            )

        def refuse(pk: UUID = row.pk) -> None:
            guardians.refuse(guardianship_id=pk, now=NOW)

        outcomes = at_once(verify, refuse, lambda: guardians.end_due(now=NOW))
        assert sorted(outcomes) == ["Over", "done", "done"]
        locked = Subject.objects.get(pk=child.subject_id).locked
        assert locked is not Guardianship.objects.filter(subject=child.subject).exists()


def at_once(*acts: Callable[[], object]) -> list[str]:
    """Do them in threads that start together; how each ended."""
    start = Barrier(len(acts))

    def run(act: Callable[[], object]) -> str:
        start.wait(timeout=20)
        try:
            act()
            return "done"
        except guardians.Over:
            return "Over"
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))
