"""Undertaking and training: who signs, who writes down, when they end, and what opens without."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import undertakings
from accounts.models import Training, Undertaking, User
from accounts.roles import Role
from accounts.undertakings import NotStaff, OwnTraining, Standing
from audit.log import SYSTEM, staff
from audit.models import AuditEntry
from policy.models import PolicyVersion
from tests.factories.accounts import bind, member, prove_second_factor, staff_member

NOW = datetime(2026, 3, 5, 15, tzinfo=UTC)
YEAR = timedelta(days=365)
DUTIES, DESK = "/staff/duties/", "/staff/requests/"


@pytest.fixture(autouse=True)
def clock() -> Any:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def entered(client: Client, role: Role = Role.REVIEWER, **options: Any) -> User:
    user = staff_member(role, **options)
    prove_second_factor(client, user)
    return user


def seen(client: Client) -> str:
    found = re.search(r'name="seen" value="(\w+)"', client.get(DUTIES).content.decode())
    assert found is not None
    return found[1]


def test_without_both_duties_only_their_own_page_opens(
    wecustomers: PolicyVersion, client: Client
) -> None:
    user = entered(client, duties=False)
    for page in ("/staff/", DESK, "/staff/approvals/", "/staff/deputies/"):
        assert client.get(page)["Location"] == DUTIES, page
    assert client.get(DUTIES).status_code == 200
    undertakings.sign(user=user, words="x", until=NOW + YEAR, now=NOW)
    assert client.get(DESK)["Location"] == DUTIES
    Undertaking.objects.all().delete()
    undertakings.record_training(
        user=user, course="x", done_at=NOW, until=NOW + YEAR, actor=SYSTEM, now=NOW
    )
    assert client.get(DESK)["Location"] == DUTIES
    bind(user)
    assert client.get(DESK).status_code == 200


def test_a_duty_that_ends_closes_the_pages_at_that_instant(
    wecustomers: PolicyVersion, client: Client, clock: Any
) -> None:
    user = entered(client, duties=False)
    bind(user, now=NOW, until=NOW + timedelta(hours=1))
    clock.shift(timedelta(minutes=59, seconds=59))
    assert client.get(DESK).status_code == 200
    clock.shift(timedelta(seconds=1))
    assert client.get(DESK)["Location"] == DUTIES


def test_the_page_of_duties_needs_the_second_factor_and_a_role(
    wecustomers: PolicyVersion, client: Client
) -> None:
    client.force_login(staff_member(duties=False))
    assert client.get(DUTIES)["Location"] == f"/accounts/2fa/reauthenticate/?next={DUTIES}"
    client.force_login(member())
    assert client.get(DUTIES).status_code == 403


def test_signing_on_the_page(wecustomers: PolicyVersion, client: Client) -> None:
    user = entered(client, duties=False)
    page = client.get(DUTIES)
    assert page["Cache-Control"] == "private, no-store"
    words = undertakings.words(wecustomers.document)
    assert words.split(".")[0] in page.content.decode()
    assert client.post(DUTIES, {"seen": seen(client)}).context["form"].errors.keys() == {"agree"}
    assert client.post(DUTIES, {"agree": "on", "seen": "0" * 64}).status_code == 200
    assert Undertaking.objects.count() == 0
    assert client.post(DUTIES, {"agree": "on", "seen": seen(client)})["Location"] == DUTIES
    signed = Undertaking.objects.get()
    end = wecustomers.document.staff.undertaking.after(NOW, zone=wecustomers.document.zone)
    assert (signed.user_id, signed.words, signed.signed_at, signed.ends_at) == (
        user.pk,
        words,
        NOW,
        end,
    )
    entry = AuditEntry.objects.get(verb="accounts.undertaking-signed")
    assert (entry.actor_kind, entry.actor_id) == ("person", user.subject_id)
    assert entry.facts == {"until": end.isoformat()}


def test_signing_last_leads_on(wecustomers: PolicyVersion, client: Client) -> None:
    user = entered(client, duties=False)
    undertakings.record_training(
        user=user, course="x", done_at=NOW, until=NOW + YEAR, actor=SYSTEM, now=NOW
    )
    assert client.post(DUTIES, {"agree": "on", "seen": seen(client)})["Location"] == "/staff/"


def test_only_staff_have_duties(wecustomers: PolicyVersion) -> None:
    user = member()
    with pytest.raises(NotStaff):
        undertakings.sign(user=user, words="x", until=NOW + YEAR, now=NOW)
    with pytest.raises(NotStaff):
        undertakings.record_training(
            user=user, course="x", done_at=NOW, until=NOW + YEAR, actor=SYSTEM, now=NOW
        )


def test_nobody_writes_down_their_own_training(wecustomers: PolicyVersion) -> None:
    user = staff_member(Role.PRIVACY_ADMIN, duties=False)
    with pytest.raises(OwnTraining):
        undertakings.record_training(
            user=user, course="x", done_at=NOW, until=NOW + YEAR, actor=staff(user.pk), now=NOW
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        Training.objects.create(
            user=user,
            course="x",
            done_at=NOW,
            ends_at=NOW + YEAR,
            recorded_at=NOW,
            recorded_by=user.pk,
        )


def test_standing_is_the_latest_end_in_two_queries(wecustomers: PolicyVersion) -> None:
    one, two = staff_member(duties=False), staff_member(duties=False)
    bind(one, now=NOW, until=NOW + YEAR)
    bind(one, now=NOW - timedelta(days=1), until=NOW + timedelta(days=3))
    bind(two, now=NOW - timedelta(days=2), until=NOW)
    ids = [one.pk, two.pk]
    with CaptureQueriesContext(connection) as queries:
        found = undertakings.standing(user_ids=ids, now=NOW)
    assert found == {one.pk: Standing(NOW + YEAR, NOW + YEAR), two.pk: Standing()}
    assert len(queries) == 2


def test_the_duties_cost_every_page_of_the_staff_one_query(
    wecustomers: PolicyVersion, django_assert_num_queries: Any
) -> None:
    user = staff_member()
    with django_assert_num_queries(1):
        assert user.missing_duties(NOW) == ()
    with django_assert_num_queries(1):
        assert user.missing_duties(NOW - YEAR) == ("undertaking", "training")


def test_the_first_training_is_written_down_at_the_console(wecustomers: PolicyVersion) -> None:
    user = member(email="boss@example.com")
    call_command("make_staff", user.email, "privacy_admin", "--trained", "GDPR", verbosity=0)
    trained = Training.objects.get()
    assert (trained.user_id, trained.course, trained.recorded_by) == (user.pk, "GDPR", None)
    assert trained.ends_at == wecustomers.document.staff.training.after(
        NOW, zone=wecustomers.document.zone
    )


def test_training_needs_a_policy(db: None) -> None:
    User.objects.create_user("boss@example.com", now=NOW, unconfirmed_since=None)
    with pytest.raises(CommandError, match="Publish a policy first"):
        call_command("make_staff", "boss@example.com", "privacy_admin", "--trained", "GDPR")
    assert User.objects.get().is_staff_member is False
