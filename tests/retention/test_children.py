"""Children: locked in one transaction, heard, erased when the time is over."""

import re
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.age import learn_birth_date, report_child
from accounts.models import AgeVerdict, Session, User
from accounts.roles import Role
from audit.log import SYSTEM
from consent import mail
from consent.models import Message
from datamap.models import Subject
from policy.models import PolicyVersion
from retention import alarms, children, erase, letters, overview
from retention.models import ChildCase, Erasure
from tests.factories.accounts import staff_member
from tests.factories.guardians import agreed
from tests.factories.retention import NOW, make_person

pytestmark = pytest.mark.django_db

CHILD = date(2016, 5, 5)
ADULT = date(1990, 5, 5)
S = ChildCase.State


@pytest.fixture
def child(wecustomers: PolicyVersion) -> User:
    return make_person("kim")


@pytest.fixture
def reviewer(wecustomers: PolicyVersion) -> User:
    return make_person("rita")


def learn(user: User, *, now: datetime = NOW, arrived_at: datetime | None = None) -> ChildCase:
    learn_birth_date(
        subject=user.subject,
        born_on=CHILD,
        source="other",
        actor=SYSTEM,
        now=now,
        arrived_at=arrived_at,
    )
    return ChildCase.objects.get(subject=user.subject)


def link_in_mail(user: User) -> str:
    message = Message.objects.get(subject=user.subject, template="child_locked")
    found = re.search(r"https?://\S+(/contest/\S+/)", mail.text_of(message))
    assert found is not None
    return found[1]


def flags(user: User) -> tuple[bool, bool]:
    return Subject.objects.values_list("locked", "restricted").get(pk=user.subject_id)


def test_knowing_locks_and_opens_a_case_with_its_times(child: User) -> None:
    case = learn(child, arrived_at=NOW - timedelta(hours=5))
    assert flags(child) == (True, True)
    assert not Session.objects.filter(user=child).exists()
    assert (case.state, case.arrived_at) == (S.CONTEST, NOW - timedelta(hours=5))
    assert (case.learned_at, case.locked_at, case.told_at) == (NOW, NOW, NOW)
    # A week on the calendar of the operator, whose clocks change in it.
    assert case.contest_until == NOW + timedelta(days=7, hours=-1)
    assert case.erase_by == case.contest_until + timedelta(hours=48)


def test_letter_says_why_what_and_when(child: User) -> None:
    learn(child)
    text = mail.text_of(Message.objects.get(subject=child.subject))
    assert "is locked" in text
    assert "10 March 2026" in text
    assert "no password is needed" in text


def test_second_report_joins_the_case_and_keeps_the_first_arrival(child: User) -> None:
    case = learn(child)
    earlier = NOW - timedelta(days=3)
    report_child(subject=child.subject, source="parent", actor=SYSTEM, now=NOW, arrived_at=earlier)
    again = ChildCase.objects.get()
    assert (again.pk, again.arrived_at) == (case.pk, earlier)


def test_policy_without_a_youngest_age_still_acts(policy_of: Any) -> None:
    policy_of("wespro")
    user = make_person()
    learn(user)
    assert flags(user) == (True, True)


def test_trouble_with_the_mail_does_not_undo_the_lock(
    child: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any, **kwargs: Any) -> bool:
        raise RuntimeError

    real = letters.post
    monkeypatch.setattr(letters, "post", fails)
    case = learn(child)
    assert flags(child) == (True, True)
    assert case.told_at is None
    monkeypatch.setattr(letters, "post", real)
    children.erase_due(now=NOW + timedelta(minutes=1))
    case.refresh_from_db()
    assert case.told_at == NOW + timedelta(minutes=1)


def test_window_end_starts_the_erasure_on_the_instant_and_no_sooner(child: User) -> None:
    case = learn(child)
    assert children.erase_due(now=case.contest_until - timedelta(microseconds=1)) == 0
    assert children.erase_due(now=case.contest_until) == 1
    assert children.erase_due(now=case.contest_until) == 0
    erasure = Erasure.objects.get()
    assert (erasure.reason, erasure.deadline) == ("child", case.erase_by)
    erase.work(now=case.contest_until)
    case.refresh_from_db()
    assert case.state == S.ERASED
    assert (case.statement, case.token_hash) == (None, None)
    subject = Subject.objects.get(pk=child.subject_id)
    assert subject.erased_at == case.closed_at
    assert not User.objects.filter(pk=child.pk).exists()
    assert not AgeVerdict.objects.filter(subject=subject).exists()


def test_statement_stops_the_clock_until_a_decision(child: User, client: Client) -> None:
    case = learn(child)
    url = link_in_mail(child)
    case.refresh_from_db()
    children.contest(case_id=case.pk, statement="I am 36.", now=NOW)
    case.refresh_from_db()
    assert case.state == S.CONTESTED
    assert b"I am 36" not in bytes(case.statement or b"")
    assert children.statement_of(case) == "I am 36."
    assert children.erase_due(now=case.contest_until) == 0
    assert b"We have what you wrote" in client.get(url).content
    with pytest.raises(children.NotOpen):
        children.contest(case_id=case.pk, statement="Again.", now=NOW)


def test_statement_after_the_window_is_refused(child: User) -> None:
    case = learn(child)
    with pytest.raises(children.NotOpen):
        children.contest(case_id=case.pk, statement="Late.", now=case.contest_until)


def test_release_unlocks_corrects_the_date_and_tells(child: User, reviewer: User) -> None:
    case = learn(child)
    children.contest(case_id=case.pk, statement="A typo.", now=NOW)
    with pytest.raises(children.BirthDateNeeded):
        children.confirm_not_child(case_id=case.pk, reason="Typo", decider=reviewer, now=NOW)
    with pytest.raises(children.StillAChild):
        children.confirm_not_child(
            case_id=case.pk, reason="Typo", decider=reviewer, now=NOW, born_on=CHILD
        )
    assert flags(child) == (True, True)
    released = children.confirm_not_child(
        case_id=case.pk, reason="Typo", decider=reviewer, now=NOW, born_on=ADULT
    )
    assert (released.state, released.ground, released.decision) == (S.RELEASED, "no-child", "Typo")
    assert released.decided_by == reviewer.pk
    assert released.statement is None
    assert flags(child) == (False, False)
    assert AgeVerdict.objects.get(subject=child.subject).born_on == ADULT
    assert Message.objects.filter(subject=child.subject, template="child_released").count() == 1
    assert children.erase_due(now=case.contest_until) == 0


def test_nobody_decides_on_themselves(child: User) -> None:
    case = learn(child)
    with pytest.raises(children.OwnCase):
        children.confirm_not_child(
            case_id=case.pk, reason="Me", decider=child, now=NOW, born_on=ADULT
        )
    with pytest.raises(children.OwnCase):
        children.confirm_child(case_id=case.pk, reason="Me", decider=child, now=NOW)


def test_confirmed_child_is_erased_at_once(child: User, reviewer: User) -> None:
    case = learn(child)
    children.confirm_child(case_id=case.pk, reason="School mail", decider=reviewer, now=NOW)
    erase.work(now=NOW)
    case.refresh_from_db()
    assert case.state == S.ERASED
    answers = Message.objects.filter(subject=child.subject_id, category="answer")
    assert [m.template for m in answers] == ["child_confirmed"]


def test_decided_case_takes_no_second_decision(child: User, reviewer: User) -> None:
    case = learn(child)
    children.confirm_child(case_id=case.pk, reason="A", decider=reviewer, now=NOW)
    with pytest.raises(children.NotOpen) as caught:
        children.confirm_not_child(
            case_id=case.pk, reason="B", decider=reviewer, now=NOW, born_on=ADULT
        )
    assert caught.value.state == S.ERASING
    assert flags(child) == (True, True)


def test_parents_consent_releases_where_the_policy_has_that_way(
    child: User, reviewer: User
) -> None:
    learn(child)
    agreed(child, now=NOW)
    case = ChildCase.objects.get()
    released = children.verify_parental_consent(
        case_id=case.pk, method="form", reason="Signed form", decider=reviewer, now=NOW
    )
    assert (released.state, released.ground) == (S.RELEASED, "parent")
    subject = Subject.objects.get(pk=child.subject_id)
    assert (subject.locked, subject.restricted, subject.minor) == (False, False, True)


def test_parents_consent_is_refused_elsewhere(clickandchat: PolicyVersion) -> None:
    child, reviewer = make_person("kim"), make_person("rita")
    case = learn(child)
    with pytest.raises(children.NoParentalPath):
        children.verify_parental_consent(
            case_id=case.pk, method="form", reason="Signed form", decider=reviewer, now=NOW
        )


def test_person_erased_for_another_reason_closes_the_case(child: User) -> None:
    case = learn(child)
    erase.start(subject_id=child.subject_id, reason="request", actor=SYSTEM, now=NOW)
    erase.work(now=NOW)
    case.refresh_from_db()
    assert case.state == S.ERASED


def test_cancelling_the_erasure_of_a_child_starts_it_again(child: User) -> None:
    case = learn(child)
    children.erase_due(now=case.contest_until)
    erasure = Erasure.objects.get()
    erase.cancel(erasure_id=erasure.pk, actor=SYSTEM, now=case.contest_until)
    assert Erasure.objects.filter(state="waiting", subject=child.subject).count() == 1


def test_contest_page_takes_one_statement(child: User, client: Client, settings: Any) -> None:
    case = learn(child, now=datetime.now(tz=NOW.tzinfo))
    url = link_in_mail(child)
    page = client.get(url)
    assert page.status_code == 200
    assert page["Cache-Control"] == "private, no-store"
    assert b"kim" not in page.content
    assert client.post(url, {"statement": ""}).status_code == 200
    assert client.post(url, {"statement": "A\x00B"}).status_code == 200
    case.refresh_from_db()
    assert case.state == S.CONTEST
    sent = client.post(url, {"statement": "I am 36."})
    assert (sent.status_code, sent["Location"]) == (302, url)
    case.refresh_from_db()
    assert case.state == S.CONTESTED


def test_unknown_link_is_answered_kindly(wecustomers: PolicyVersion, client: Client) -> None:
    page = client.get(reverse("retention:contest", args=["x" * 43]))
    assert page.status_code == 404
    assert b"leads nowhere" in page.content


@pytest.mark.parametrize("restricted", [False, True])
def test_release_leaves_an_earlier_restriction_standing(
    child: User, reviewer: User, restricted: bool
) -> None:
    Subject.objects.filter(pk=child.subject_id).update(restricted=restricted)
    case = learn(child)
    # A second report finds the person restricted by the first one: that is no earlier restriction.
    report_child(subject=child.subject, source="parent", actor=SYSTEM, now=NOW, arrived_at=NOW)
    assert flags(child) == (True, True)
    children.confirm_not_child(
        case_id=case.pk, reason="Showed it", decider=reviewer, now=NOW, born_on=ADULT
    )
    assert flags(child) == (False, restricted)


def test_late_contested_case_is_shown_late_and_staff_are_written_to_once(child: User) -> None:
    reviewer = staff_member(Role.REVIEWER)
    staff_member(Role.AUDITOR)
    case = learn(child)
    children.contest(case_id=case.pk, statement="I am 36.", now=NOW)
    assert alarms.tell_late_cases(now=case.erase_by) == 0
    late = case.erase_by + timedelta(seconds=1)
    case.refresh_from_db()
    assert overview.waiting(now=late) == (1, 1)
    assert overview.line(case, now=late).late
    assert [alarms.tell_late_cases(now=late) for _ in range(2)] == [1, 0]
    (letter,) = Message.objects.filter(template="child_case_late")
    assert (letter.category, letter.subject_id) == ("staff", reviewer.subject_id)
    assert case.reference in mail.text_of(letter)


def test_letter_names_a_city_and_the_last_one_says_it_is_the_last(
    child: User, reviewer: User
) -> None:
    case = learn(child)
    text = mail.text_of(Message.objects.get(subject=child.subject, template="child_locked"))
    assert "(New York time)" in text
    assert "America/" not in text
    children.confirm_child(case_id=case.pk, reason="School mail", decider=reviewer, now=NOW)
    last = Message.objects.get(subject=child.subject, template="child_confirmed")
    assert "no message like it follows" in mail.text_of(last)
