"""Ages, learning of children, coming of age."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from accounts import signals
from accounts.age import (
    OLDEST,
    age_on,
    come_of_age,
    end_careful_settings,
    learn_birth_date,
    parse_birth_date,
    report_child,
)
from accounts.controls import age
from accounts.models import AgeVerdict, Session, User
from audit.log import SYSTEM
from audit.models import AuditEntry
from consent import mail
from consent.models import Event, Message
from datamap.models import Subject
from policy.models import PolicyVersion
from tests.factories.accounts import JOINED, log_in, member, minor

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("born", "day", "years"),
    [
        (date(2013, 3, 2), date(2026, 3, 1), 12),
        (date(2013, 3, 2), date(2026, 3, 2), 13),
        (date(2012, 2, 29), date(2025, 2, 28), 12),
        (date(2012, 2, 29), date(2025, 3, 1), 13),
        (date(2012, 2, 29), date(2028, 2, 28), 15),
        (date(2012, 2, 29), date(2028, 2, 29), 16),
    ],
)
def test_age_on_counts_completed_years(born: date, day: date, years: int) -> None:
    assert age_on(born, day) == years


@given(born=st.dates(date(1900, 1, 1), date(2026, 1, 1)), day=st.dates(date(2026, 1, 2)))
def test_age_on_grows_by_one_each_year(born: date, day: date) -> None:
    slow = sum(1 for year in range(born.year + 1, day.year + 1) if day >= _birthday(born, year))
    assert age_on(born, day) == slow


def _birthday(born: date, year: int) -> date:
    try:
        return born.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


@pytest.mark.parametrize(
    ("day", "month", "year", "field"),
    [
        ("31", "2", "2000", "day"),
        ("29", "2", "2001", "day"),
        ("0", "1", "2000", "day"),
        ("32", "1", "2000", "day"),
        ("1", "13", "2000", "month"),
        ("x", "1", "2000", "day"),
        ("1", "May", "2000", "month"),
        ("1", "1", "99", "year"),
        ("1", "1", "0000", "year"),
        ("1", "1", "20000", "year"),
        ("1", "1", "9" * 5000, "year"),
        ("1", "1", "-200", "year"),
        ("1", "1", "²000", "year"),
        ("3", "3", "2026", "year"),
        ("2", "3", str(2026 - OLDEST - 1), "year"),
        ("", "1", "2000", "day"),
    ],
)
def test_parse_birth_date_names_the_wrong_field(
    day: str, month: str, year: str, field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_birth_date(day, month, year, NOON)
    assert list(caught.value.message_dict) == [field]


@pytest.mark.parametrize(
    ("entered", "born"),
    [
        (("2", "3", "2026"), date(2026, 3, 2)),
        ((" 07", "08 ", "1999"), date(1999, 8, 7)),
        (("29", "2", "2000"), date(2000, 2, 29)),
        (("3", "3", str(2026 - OLDEST - 1)), date(2026 - OLDEST - 1, 3, 3)),
    ],
)
def test_parse_birth_date_reads_what_exists(entered: tuple[str, str, str], born: date) -> None:
    assert parse_birth_date(*entered, NOON) == born


@given(st.text(max_size=6), st.text(max_size=6), st.text(max_size=6))
def test_parse_birth_date_never_fails_otherwise(day: str, month: str, year: str) -> None:
    try:
        born = parse_birth_date(day, month, year, NOON)
    except ValidationError:
        return
    assert born <= NOON.date()


def test_learning_of_a_child_locks_ends_sessions_and_tells(
    wecustomers: PolicyVersion, client: Any
) -> None:
    user = member()
    log_in(client, user)
    told: list[dict[str, Any]] = []

    def hear(**kwargs: Any) -> None:
        told.append({k: kwargs[k] for k in ("subject_id", "arrived_at", "now")})
        assert Subject.objects.get(pk=kwargs["subject_id"]).locked

    signals.child_learned.connect(hear)
    now, arrived = JOINED + timedelta(days=3), JOINED + timedelta(days=2)
    learned = learn_birth_date(
        subject=user.subject,
        born_on=date(2014, 1, 1),
        source="staff",
        actor=SYSTEM,
        now=now,
        arrived_at=arrived,
    )
    signals.child_learned.disconnect(hear)
    subject = Subject.objects.get(pk=user.subject_id)
    assert (learned.child, subject.locked, subject.restricted, subject.minor) == (True,) * 4
    assert Session.objects.filter(user=user).count() == 0
    assert told == [{"subject_id": subject.pk, "arrived_at": arrived, "now": now}]
    assert AuditEntry.objects.get(verb="accounts.child-learned").facts == {
        "source": "staff",
        "arrived_at": arrived.isoformat(),
        "sessions_ended": 1,
        "locked_before": False,
    }
    assert client.get("/privacy/devices/").status_code == 302


@pytest.mark.parametrize(
    ("born", "child", "is_minor"),
    [
        (date(2013, 3, 6), True, True),
        (date(2013, 3, 5), False, True),
        (date(2008, 3, 6), False, True),
        (date(2008, 3, 5), False, False),
    ],
)
def test_learning_a_birth_date_draws_the_line_on_the_birthday(
    wecustomers: PolicyVersion, born: date, child: bool, is_minor: bool
) -> None:
    user = member()
    learned = learn_birth_date(
        subject=user.subject,
        born_on=born,
        source="person",
        actor=SYSTEM,
        now=datetime(2026, 3, 5, 12, tzinfo=UTC),
    )
    assert (learned.child, learned.minor) == (child, is_minor)
    subject = Subject.objects.get(pk=user.subject_id)
    assert (subject.locked, subject.minor) == (child, is_minor)
    assert AgeVerdict.objects.get(subject=subject).born_on == born


@pytest.mark.parametrize(("source", "mails"), [("person", 0), ("staff", 1)])
def test_a_minor_known_by_a_correction_is_advised_where_they_see_it(
    wecustomers: PolicyVersion, source: str, mails: int
) -> None:
    user = member()
    now = datetime(2026, 3, 5, 12, tzinfo=UTC)
    assert age.minors_advice(now).violations == ()
    learn_birth_date(
        subject=user.subject, born_on=date(2011, 1, 1), source=source, actor=SYSTEM, now=now
    )
    shown = Event.objects.get(subject=user.subject, kind="notice", key="minors-advice")
    assert (shown.at, shown.decision) == (now, "shown")
    assert shown.words.text == wecustomers.document.age.minors_advice
    sent = Message.objects.filter(subject=user.subject, template="account_minors_advice")
    assert sent.count() == mails
    assert age.minors_advice(now).violations == ()


def test_a_minor_known_by_a_correction_and_never_advised_is_reported(
    wecustomers: PolicyVersion,
) -> None:
    user = member()
    now = datetime(2026, 3, 5, 12, tzinfo=UTC)
    AgeVerdict.objects.filter(subject=user.subject).update(
        born_on=date(2011, 1, 1), corrected_at=now, minor=True
    )
    Subject.objects.filter(pk=user.subject_id).update(minor=True)
    assert age.minors_advice(now).violations == (str(user.pk),)


def test_a_failed_receiver_undoes_everything(wecustomers: PolicyVersion) -> None:
    user = member()

    def fail(**kwargs: Any) -> None:
        raise RuntimeError("a room above could not go along")

    signals.child_learned.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            report_child(
                subject=user.subject, source="parent", actor=SYSTEM, now=JOINED, arrived_at=JOINED
            )
    finally:
        signals.child_learned.disconnect(fail)
    assert Subject.objects.get(pk=user.subject_id).locked is False
    assert AuditEntry.objects.filter(verb="accounts.child-learned").count() == 0


def test_a_policy_without_youngest_age_still_acts_on_knowledge(policy_of: Any) -> None:
    policy_of("wespro")
    user = member(age_pass=None)
    learned = learn_birth_date(
        subject=user.subject,
        born_on=date(2014, 6, 1),
        source="other",
        actor=SYSTEM,
        now=JOINED,
    )
    assert learned.child is True
    assert AgeVerdict.objects.get(subject=user.subject).passed_at is None


def test_come_of_age_tells_on_the_birthday_and_leaves_the_careful_settings(
    wecustomers: PolicyVersion,
) -> None:
    user = minor(years=15)  # born on 15 January 2011
    eve = datetime(2029, 1, 15, 3, tzinfo=UTC)  # still the 14th in New York
    grown = eve + timedelta(hours=3)
    assert [come_of_age(now=eve + timedelta(hours=h)) for h in (0, 3, 4)] == [0, 1, 0]
    assert Subject.objects.get(pk=user.subject_id).minor is True
    verdict = AgeVerdict.objects.get(subject=user.subject)
    assert (verdict.minor, verdict.grown_at) == (False, grown)
    assert AuditEntry.objects.filter(verb="accounts.came-of-age").count() == 1
    (letter,) = Message.objects.filter(template="account_of_age")
    assert (letter.subject_id, letter.category) == (user.subject_id, "account")
    assert "Nothing changes by itself" in mail.text_of(letter)
    assert "/privacy/birth-date/" in mail.text_of(letter)


def test_only_a_person_of_age_ends_the_careful_settings(wecustomers: PolicyVersion) -> None:
    user = minor(years=17)  # born on 15 January 2009
    subject = Subject.objects.get(pk=user.subject_id)
    birthday = datetime(2027, 1, 15, 12, tzinfo=UTC)
    assert not end_careful_settings(subject=subject, now=birthday - timedelta(days=1))
    assert come_of_age(now=birthday) == 1
    assert age.minors_advice(birthday).violations == ()
    assert end_careful_settings(subject=subject, now=birthday)
    subject.refresh_from_db()
    assert subject.minor is False
    assert not end_careful_settings(subject=subject, now=birthday)
    entry = AuditEntry.objects.get(verb="accounts.careful-settings-ended")
    assert (entry.actor_kind, entry.actor_id) == ("person", subject.pk)
    assert age.minors_advice(birthday).violations == ()


def test_settings_of_a_minor_that_end_by_themselves_are_reported(
    wecustomers: PolicyVersion,
) -> None:
    user = minor(years=17)
    birthday = datetime(2027, 1, 15, 12, tzinfo=UTC)
    come_of_age(now=birthday)
    Subject.objects.filter(pk=user.subject_id).update(minor=False)
    assert age.minors_advice(birthday).violations == (str(user.subject_id),)


@pytest.mark.parametrize(("source", "careful"), [("person", False), ("staff", True)])
def test_a_date_corrected_by_others_takes_nobody_the_careful_settings(
    wecustomers: PolicyVersion, source: str, careful: bool
) -> None:
    user = minor()
    learn_birth_date(
        subject=user.subject, born_on=date(1990, 1, 1), source=source, actor=SYSTEM, now=NOON
    )
    assert Subject.objects.get(pk=user.subject_id).minor is careful
    assert AgeVerdict.objects.get(subject=user.subject).minor is False


def test_come_of_age_on_29_february_waits_for_1_march(wecustomers: PolicyVersion) -> None:
    member(born_on=date(2012, 2, 29))
    assert come_of_age(now=datetime(2030, 2, 28, 12, tzinfo=UTC)) == 0
    assert come_of_age(now=datetime(2030, 3, 1, 12, tzinfo=UTC)) == 1


def test_come_of_age_works_in_batches(wecustomers: PolicyVersion) -> None:
    people = [minor(years=17) for _ in range(5)]
    Subject.objects.filter(pk=people[0].subject_id).update(locked=True)
    assert come_of_age(now=datetime(2030, 1, 1, tzinfo=UTC), batch=2) == 4
    assert AgeVerdict.objects.filter(grown_at__isnull=False).count() == 4


def test_come_of_age_costs_a_letter_for_each_person_and_no_more(
    wecustomers: PolicyVersion,
) -> None:
    grown = datetime(2030, 1, 1, tzinfo=UTC)
    counts = []
    for number in (1, 2, 3):
        for _ in range(number):
            minor(years=17)
        with CaptureQueriesContext(connection) as queries:
            assert come_of_age(now=grown) == number
        counts.append(len(queries))
    assert counts[2] - counts[1] == counts[1] - counts[0] <= 5


def test_locked_people_are_nobody_from_the_next_request_on(
    wecustomers: PolicyVersion, client: Any
) -> None:
    user = member()
    client.force_login(user)
    Subject.objects.filter(pk=user.subject_id).update(locked=True)
    assert client.get("/privacy/devices/").status_code == 302
    assert User.objects.get(pk=user.pk).is_active is True
