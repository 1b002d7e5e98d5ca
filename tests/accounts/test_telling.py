"""People learn by mail what staff changed for them, and that their data was downloaded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from accounts.roles import Role
from accounts.telling import tell_changed_by_staff
from audit.log import SYSTEM, person, staff
from consent import ledger, mail
from consent.ledger import Shown
from consent.letter import Letter
from consent.models import Message
from datamap.models import Subject
from policy import current
from policy.models import PolicyVersion
from requests import download
from requests.models import Request
from tests.factories.accounts import member, staff_member
from tests.factories.requests import copy_made

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)
CHOICES = "account_choices_by_staff"


@pytest.fixture
def ada(wecustomers: PolicyVersion) -> User:
    return member()


def refuse(user: User, actor: Any, *, now: datetime = NOW) -> None:
    category = current.document(now).mail_categories[0]
    ledger.decide(
        subject_id=user.subject_id,
        kind="mail",
        key=category.key,
        decision="refused",
        shown=Shown("Not this, please.", surface="staff", channel="phone", evidence=str(now)),
        actor=actor,
        now=now,
    )


def told(template: str) -> list[str]:
    messages = Message.objects.filter(template=template).order_by("posted_at")
    return [mail.text_of(message) for message in messages]


def test_a_choice_that_staff_changed_is_told_with_their_role(ada: User) -> None:
    support = staff_member(Role.SUPPORT, first_name="Sam", last_name="Supporter")
    refuse(ada, staff(support.pk))
    (text,) = told(CHOICES)
    assert "A member of our staff (Support) changed one or more of your choices" in text
    assert "/privacy/choices/" in text
    assert "Sam" not in text
    assert Message.objects.get(template=CHOICES).category == "account"


def test_ones_own_choice_is_not_told(ada: User) -> None:
    refuse(ada, person(ada.subject_id))
    assert told(CHOICES) == []


def test_several_choices_of_one_sitting_are_told_once(ada: User) -> None:
    support = staff_member(Role.SUPPORT)
    tell = {"subject_id": ada.subject_id, "what": "choices", "actor": staff(support.pk)}
    for minutes, count in ((0, 1), (9, 1), (21, 2)):
        tell_changed_by_staff(**tell, now=NOW + timedelta(minutes=minutes))  # type: ignore[arg-type]
        assert len(told(CHOICES)) == count


def test_somebody_without_an_account_is_not_written_to(wecustomers: PolicyVersion) -> None:
    subject = Subject.objects.create(created_at=NOW)
    found = tell_changed_by_staff(subject_id=subject.pk, what="data", actor=SYSTEM, now=NOW)
    assert found is None


def test_a_changed_address_is_told_to_the_old_one(ada: User) -> None:
    message = tell_changed_by_staff(
        subject_id=ada.subject_id,
        what="address",
        actor=staff(staff_member(Role.PRIVACY_ADMIN).pk),
        now=NOW,
        address="old@example.com",
    )
    assert message is not None
    assert message.sealed is not None
    assert Letter.unseal(bytes(message.sealed)).recipient == "old@example.com"
    assert "Privacy administrator" in mail.text_of(message)


def test_a_download_is_told_once_an_hour(ada: User) -> None:
    package = copy_made(ada, staff_member(), now=NOW)
    assert package.request is not None
    for minutes, count in ((0, 1), (59, 1), (119, 2)):
        at = NOW + timedelta(hours=1, minutes=minutes)
        asked = Request.objects.get(pk=package.request.pk)
        got = download.hand_out(request=asked, actor=person(ada.subject_id), now=at)
        got.content.close()
        texts = told("account_data_exported")
        assert len(texts) == count, minutes
    assert "/accounts/password/reset/" in texts[0]
    messages = Message.objects.filter(template="account_data_exported")
    assert {m.category for m in messages} == {"account"}
