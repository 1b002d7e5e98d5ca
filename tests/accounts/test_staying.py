"""Staying signed in, and every way in which accounts.staying finds a violation."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import sessions
from accounts.controls import sessions as controls
from accounts.forms import login as forms
from accounts.models import Session, User
from audit.control import controls as declared
from audit.control import evaluate
from audit.log import person, record
from audit.models import AuditEntry
from policy.models import PolicyVersion
from tests.factories.accounts import PASSWORD, member, prove_second_factor, staff_member

COOKIE = "session"


@pytest.fixture(autouse=True)
def fresh_rate_limits() -> None:
    cache.clear()


def log_in(user: User, client: Client | None = None, **more: str) -> Client:
    client = client or Client()
    client.post(reverse("account_login"), {"login": user.email, "password": PASSWORD, **more})
    return client


def violations() -> list[str]:
    return [v.partition(":")[0] for v in controls.staying(timezone.now()).violations]


def test_ticking_the_box_keeps_the_log_in_and_is_on_record(wecustomers: PolicyVersion) -> None:
    user = member()
    client = log_in(user, stay="on")
    session = Session.objects.get()
    entry = AuditEntry.objects.get(verb="accounts.stay-signed-in")
    assert (session.persistent, session.asked_id) == (True, entry.pk)
    assert (entry.actor_kind, entry.subject_id) == ("person", user.subject_id)
    assert client.cookies[COOKIE]["max-age"] == 14 * 24 * 3600
    assert client.get("/privacy/devices/").content.decode().count("Stays signed in until") == 1
    assert violations() == []


def test_without_the_tick_it_ends_with_the_browser(wecustomers: PolicyVersion) -> None:
    client = log_in(member())
    session = Session.objects.get()
    assert (session.persistent, session.asked_id) == (False, None)
    assert client.cookies[COOKIE]["max-age"] == ""
    assert not AuditEntry.objects.filter(verb="accounts.stay-signed-in").exists()
    assert "checked" not in Client().get(reverse("account_login")).content.decode()


def test_a_later_log_in_without_the_tick_takes_it_back(wecustomers: PolicyVersion) -> None:
    user, client = member(), Client()
    log_in(user, client, stay="on")
    client.post(reverse("account_logout"))
    assert not Session.objects.filter(user=user).exists()
    log_in(user, client)
    assert Session.objects.get(user=user).persistent is False


def test_a_wrong_password_asks_nothing(wecustomers: PolicyVersion) -> None:
    user = member()
    Client().post(
        reverse("account_login"), {"login": user.email, "password": "x" * 20, "stay": "on"}
    )
    assert not AuditEntry.objects.filter(verb="accounts.stay-signed-in").exists()


def test_the_tick_survives_the_second_factor(wecustomers: PolicyVersion) -> None:
    user = staff_member()
    client = log_in(user, stay="on")
    assert Session.objects.get(user=user).persistent is True
    prove_second_factor(client, user)
    assert violations() == []


def test_the_table_refuses_a_log_in_that_nobody_asked_to_keep(wecustomers: PolicyVersion) -> None:
    log_in(member())
    with pytest.raises(IntegrityError), transaction.atomic():
        Session.objects.update(persistent=True)


def _no_entry(user: User) -> None:
    Session.objects.update(asked_id=uuid.uuid4())


def _somebody_elses(user: User) -> None:
    other = member()
    entry = record(
        actor=person(other.subject_id),
        verb="accounts.stay-signed-in",
        now=timezone.now(),
        subject_id=other.subject_id,
    )
    Session.objects.update(asked_id=entry.pk)


def _another_verb(user: User) -> None:
    entry = AuditEntry.objects.filter(verb="accounts.created").latest("at")
    Session.objects.update(asked_id=entry.pk)


def _longer_than_asked(user: User) -> None:
    Session.objects.update(expire_date=timezone.now() + timedelta(days=15))


@pytest.mark.parametrize("deed", [_no_entry, _somebody_elses, _another_verb, _longer_than_asked])
def test_violation_not_asked(wecustomers: PolicyVersion, deed: Any) -> None:
    user = member()
    log_in(user, stay="on")
    deed(user)
    assert violations() == ["not asked"]


def test_violation_one_asking_for_two_browsers(wecustomers: PolicyVersion) -> None:
    user = member()
    log_in(user, stay="on")
    asked = Session.objects.get().asked_id
    log_in(user, stay="on")
    Session.objects.update(asked_id=asked)
    assert violations() == ["asked once for several"]


def test_violation_kept_without_the_column_saying_so(wecustomers: PolicyVersion) -> None:
    user = member()
    client = log_in(user, stay="on")
    data = client.session
    Session.objects.update(persistent=False, asked_id=None)
    assert data["_session_expiry"]
    assert violations() == ["not asked"]


def test_violation_password_in_the_cookie(
    wecustomers: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = forms.LoginForm.login

    def leaking(self: Any, request: Any, redirect_url: str | None = None) -> Any:
        response = real(self, request, redirect_url)
        response.set_cookie("user", self.cleaned_data["password"].encode().hex())
        return response

    monkeypatch.setattr(forms.LoginForm, "login", leaking)
    assert controls.staying(timezone.now()).violations == ("cookie: holds a secret",)


def test_violation_signing_out_does_not_end_it(
    wecustomers: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions.SessionStore, "delete", lambda self, session_key=None: None)
    assert "cookie: stays after signing out" in controls.staying(timezone.now()).violations


def test_control_runs_under_its_harness(wecustomers: PolicyVersion) -> None:
    log_in(member(), stay="on")
    before = (User.objects.count(), Session.objects.count(), AuditEntry.objects.count())
    evidence = evaluate(control=declared()["accounts.staying"], now=timezone.now())
    assert (evidence.outcome, evidence.violation_ids) == ("kept", [])
    assert (User.objects.count(), Session.objects.count(), AuditEntry.objects.count()) == before
