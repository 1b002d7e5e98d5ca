"""Logging in, sessions, new passwords, one's own pages, staff."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.conf import settings
from django.contrib.auth import hashers
from django.contrib.sessions.backends.base import UpdateError
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AgeVerdict, Session, StaffMember, User
from accounts.roles import TABLE, Role
from accounts.sessions import digest
from audit.models import AuditEntry, StaffAccess
from consent.letter import Letter
from consent.models import Event, Message
from datamap.models import Subject
from policy.models import PolicyVersion
from tests.factories.accounts import (
    PASSWORD,
    TOTP_SECRET,
    log_in,
    member,
    prove_second_factor,
    reauthenticated,
    staff_member,
)

NOW = datetime(2026, 3, 5, 15, tzinfo=UTC)
DEVICES, BIRTH_DATE = "/privacy/devices/", "/privacy/birth-date/"
LOGIN, RESET, REPORT = "/accounts/login/", "/accounts/password/reset/", "/staff/children/report/"


@pytest.fixture(autouse=True)
def fresh_rate_limits() -> None:
    cache.clear()


@pytest.fixture(autouse=True)
def clock() -> Any:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def letter() -> Letter:
    sealed = Message.objects.latest("posted_at", "id").sealed
    assert sealed is not None
    return Letter.unseal(bytes(sealed))


# Logging in ---------------------------------------------------------------------------------------


def test_the_log_in_cookie_is_random_and_ends_with_the_browser(
    wecustomers: PolicyVersion, client: Client
) -> None:
    user = member()
    log_in(client, user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    assert (cookie["max-age"], cookie["expires"], cookie["httponly"]) == ("", "", True)
    row = Session.objects.get()
    assert row.session_key == digest(cookie.value)
    assert cookie.value not in (row.session_key, row.session_data, row.handle)
    assert (row.user_id, row.persistent, row.created_at) == (user.pk, False, NOW)


def test_the_session_changes_at_log_in(wecustomers: PolicyVersion) -> None:
    user = member()
    other = member()
    client = Client()
    log_in(client, other)
    fixed = client.cookies[settings.SESSION_COOKIE_NAME].value
    client.post("/accounts/logout/")
    assert Session.objects.count() == 0
    client.cookies[settings.SESSION_COOKIE_NAME] = fixed
    log_in(client, user)
    assert client.cookies[settings.SESSION_COOKIE_NAME].value != fixed


def test_an_ended_session_does_not_come_back(wecustomers: PolicyVersion, client: Client) -> None:
    log_in(client, member())
    session = client.session
    assert dict(session.items()) != {}
    Session.objects.all().delete()
    session["anything"] = 1
    with pytest.raises(UpdateError):
        session.save()
    assert Session.objects.count() == 0


def _log_in_attempt(
    email: str, monkeypatch: pytest.MonkeyPatch, path: str, field: str
) -> dict[str, Any]:
    hashed: list[str] = []
    real = hashers.Argon2PasswordHasher.encode
    verify = hashers.Argon2PasswordHasher.verify

    def encode(self: Any, *args: Any) -> Any:
        hashed.append("encode")
        return real(self, *args)

    def check(self: Any, *args: Any) -> Any:
        hashed.append("verify")
        return verify(self, *args)

    monkeypatch.setattr(hashers.Argon2PasswordHasher, "encode", encode)
    monkeypatch.setattr(hashers.Argon2PasswordHasher, "verify", check)
    with CaptureQueriesContext(connection) as queries:
        response = Client().post(path, {field: email, "password": "a wrong long password"})
    monkeypatch.undo()
    body = response.content.decode().replace(email, "")
    return {
        "status": response.status_code,
        "location": response.headers.get("Location"),
        "body": re.sub(r'value="\w{64}"', "", body),
        "queries": len(queries),
        "hashes": len(hashed),
        "mails": Message.objects.count(),
    }


def test_a_wrong_password_tells_nothing(
    wecustomers: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = member(email="known@example.com")
    unconfirmed = member(confirmed=False, email="fresh@example.com")
    locked = member(email="locked@example.com")
    Subject.objects.filter(pk=locked.subject_id).update(locked=True)
    Client().get(LOGIN)  # reads the policy once
    seen = [
        _log_in_attempt(email, monkeypatch, LOGIN, "login")
        for email in (known.email, unconfirmed.email, locked.email, "nobody@example.com")
    ]
    assert seen[0]["hashes"] == 1
    assert seen[1:] == [seen[0]] * 3


def test_a_locked_person_with_the_right_password_gets_the_kind_page(
    wecustomers: PolicyVersion, client: Client
) -> None:
    user = member()
    Subject.objects.filter(pk=user.subject_id).update(locked=True)
    response = client.post(LOGIN, {"login": user.email, "password": PASSWORD})
    assert response["Location"] == "/accounts/locked/"
    assert client.get("/accounts/locked/").status_code == 200
    assert client.get(DEVICES).status_code == 302
    assert not Session.objects.filter(user=user).exists()


def test_log_ins_are_rate_limited(wecustomers: PolicyVersion, client: Client) -> None:
    user = member()
    for _ in range(5):
        client.post(LOGIN, {"login": user.email, "password": "a wrong long password"})
    response = client.post(LOGIN, {"login": user.email, "password": PASSWORD})
    assert response.status_code == 200
    assert Session.objects.filter(user=user).count() == 0


# New passwords ------------------------------------------------------------------------------------


def _reset_link(email: str) -> str:
    assert Client().post(RESET, {"email": email}).status_code == 302
    found = re.search(r"http://localhost:8000(/accounts/password/reset/key/\S+)", letter().body)
    assert found is not None
    return found[1]


def _use(link: str, client: Client) -> Any:
    form = client.get(link)
    if form.status_code != 302:
        return form
    new = "eight tall brown horses"
    return client.post(form["Location"], {"password1": new, "password2": new})


def test_a_reset_ends_other_log_ins_and_works_once(
    wecustomers: PolicyVersion, client: Client
) -> None:
    user = member(email="Known@example.com")
    log_in(client, user)
    link = _reset_link(" KNOWN@example.com")
    assert _use(link, Client()).status_code == 302
    assert client.get(DEVICES).status_code == 302
    assert _use(link, Client()).status_code == 200
    user.refresh_from_db()
    assert user.check_password("eight tall brown horses")


def test_a_reset_proves_an_unconfirmed_address(wecustomers: PolicyVersion) -> None:
    user = member(confirmed=False, email="fresh@example.com")
    _use(_reset_link(user.email), Client())
    user.refresh_from_db()
    assert user.unconfirmed_since is None
    assert EmailAddress.objects.get().verified is True
    assert Subject.objects.get(pk=user.subject_id).email == "fresh@example.com"


def test_asking_for_a_reset_tells_nothing(
    wecustomers: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    member(email="known@example.com")
    member(confirmed=False, email="fresh@example.com")
    locked = member(email="locked@example.com")
    Subject.objects.filter(pk=locked.subject_id).update(locked=True)
    seen = []
    for name in ("known", "fresh", "locked", "nobody"):
        seen.append(_log_in_attempt(f"{name}@example.com", monkeypatch, RESET, "email"))
        Message.objects.all().delete()
    assert seen[0]["mails"] == 1
    assert seen[1:] == [seen[0]] * 3


def test_a_reset_is_inert_for_locked_people(wecustomers: PolicyVersion) -> None:
    user = member(email="locked@example.com")
    link = _reset_link(user.email)
    Subject.objects.filter(pk=user.subject_id).update(locked=True)
    assert _use(link, Client()).status_code == 200
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    Client().post(RESET, {"email": user.email})
    assert "/reset/key/" not in letter().body


@pytest.mark.parametrize("link", ["x-y", "0-0", "f" * 32 + "-abc", "é-1", "1-%00"])
def test_a_made_up_reset_link_is_answered_kindly(
    wecustomers: PolicyVersion, client: Client, link: str
) -> None:
    assert client.get(f"/accounts/password/reset/key/{link}/").status_code in (200, 404)


@pytest.mark.parametrize("key", ["x", "a:b:c", "é", "%00", "MQ:1:x"])
def test_a_made_up_confirmation_is_answered_kindly(
    wecustomers: PolicyVersion, client: Client, key: str
) -> None:
    assert client.get(f"/accounts/confirm-email/{key}/").status_code in (200, 404)
    assert client.post(f"/accounts/confirm-email/{key}/").status_code == 404


def test_a_new_address_counts_once_it_is_confirmed(wecustomers: PolicyVersion) -> None:
    user = member(email="old@example.com")
    client = reauthenticated(Client(), user)
    client.post("/accounts/email/", {"email": "New@example.com", "action_add": ""})
    user.refresh_from_db()
    assert user.email == "old@example.com"
    body = letter().body
    found = re.search(r"http://\S+?(/accounts/confirm-email/\S+)", body)
    assert found is not None
    assert client.post(found[1]).status_code == 302
    user = User.objects.select_related("subject").get(pk=user.pk)
    assert (user.email, user.subject.email) == ("new@example.com", "new@example.com")
    assert list(EmailAddress.objects.values_list("email", flat=True)) == ["new@example.com"]


def test_an_address_of_another_account_is_never_taken(wecustomers: PolicyVersion) -> None:
    member(email="theirs@example.com", confirmed=False)
    client = reauthenticated(Client(), member(email="mine@example.com"))
    client.post("/accounts/email/", {"email": "theirs@example.com", "action_add": ""})
    found = re.search(r"http://\S+?(/accounts/confirm-email/\S+)", letter().body)
    assert found is not None
    assert client.post(found[1]).status_code == 302
    assert EmailAddress.objects.filter(email="theirs@example.com", verified=True).count() == 0
    assert sorted(User.objects.values_list("email", flat=True)) == [
        "mine@example.com",
        "theirs@example.com",
    ]


# One's own pages ----------------------------------------------------------------------------------


def test_pages_need_a_log_in(wecustomers: PolicyVersion, client: Client) -> None:
    for page in (DEVICES, BIRTH_DATE):
        assert client.get(page)["Location"] == f"{LOGIN}?next={page}"


def test_devices_end_one_by_one_and_all(wecustomers: PolicyVersion) -> None:
    user = member()
    one, two, three = (log_in(Client(), user) for _ in range(3))
    page = one.get(DEVICES)
    assert page["Cache-Control"] == "private, no-store"
    keys = [c.cookies[settings.SESSION_COOKIE_NAME].value for c in (one, two, three)]
    assert not any(key in page.content.decode() for key in keys)
    handle = Session.objects.get(session_key=digest(keys[1])).handle
    assert one.post(f"{DEVICES}{handle}/end/").status_code == 302
    assert [c.get(DEVICES).status_code for c in (one, two, three)] == [200, 302, 200]
    assert one.post(f"{DEVICES}end/").status_code == 302
    assert [c.get(DEVICES).status_code for c in (one, two, three)] == [200, 302, 302]


@pytest.mark.parametrize("handle", ["x", "x" * 300, "%00", "é"])
def test_nobody_ends_sessions_of_others(
    wecustomers: PolicyVersion, client: Client, handle: str
) -> None:
    victim = member()
    log_in(Client(), victim)
    theirs = Session.objects.get(user=victim).handle
    log_in(client, member())
    for tried in (theirs, handle):
        assert client.post(f"{DEVICES}{tried}/end/").status_code == 404
    assert Session.objects.filter(user=victim).count() == 1


def test_devices_take_the_same_queries_for_one_and_three(
    wecustomers: PolicyVersion, client: Client
) -> None:
    user = member()
    log_in(client, user)
    with CaptureQueriesContext(connection) as one:
        client.get(DEVICES)
    for _ in range(2):
        log_in(Client(), user)
    with CaptureQueriesContext(connection) as three:
        client.get(DEVICES)
    assert len(one) == len(three) == 4


def test_the_birth_date_asks_for_the_password_first(
    wecustomers: PolicyVersion, client: Client
) -> None:
    log_in(client, member())
    assert client.get(BIRTH_DATE)["Location"] == (
        f"/accounts/reauthenticate/?{urlencode({'next': BIRTH_DATE})}"
    )
    client.post("/accounts/reauthenticate/", {"password": "wrong, quite wrong"})
    assert client.get(BIRTH_DATE).status_code == 302


def test_a_corrected_birth_date_takes_the_place_of_the_old(wecustomers: PolicyVersion) -> None:
    user = member()
    client = reauthenticated(Client(), user)
    assert "17 May 1990" in client.get(BIRTH_DATE).content.decode()
    answer = client.post(BIRTH_DATE, {"day": "2", "month": "2", "year": "2010"})
    assert answer["Location"] == BIRTH_DATE
    verdict = AgeVerdict.objects.get()
    assert (verdict.born_on, verdict.source, verdict.minor) == (date(2010, 2, 2), "person", True)
    assert Subject.objects.get(pk=user.subject_id).minor is True
    assert Event.objects.filter(key="age-screen", surface="birth-date").count() == 1
    bad = client.post(BIRTH_DATE, {"day": "31", "month": "2", "year": "2010"})
    assert list(bad.context["form"].errors) == ["day"]


def test_a_person_who_turns_out_to_be_a_child_is_locked_at_once(
    wecustomers: PolicyVersion,
) -> None:
    user = member()
    client = reauthenticated(Client(), user)
    log_in(Client(), user)
    response = client.post(BIRTH_DATE, {"day": "1", "month": "1", "year": "2015"})
    assert response["Location"] == "/accounts/locked/"
    assert Subject.objects.get(pk=user.subject_id).locked is True
    assert Session.objects.filter(user=user).count() == 0
    assert client.get(DEVICES).status_code == 302


# Staff --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role.values)
@pytest.mark.parametrize("permission", sorted(TABLE))
def test_a_role_holds_exactly_its_permissions(
    db: None, django_user_model: type[User], role: str, permission: str
) -> None:
    user = User.objects.create_user("staff@example.com", now=NOW)
    StaffMember.objects.create(user=user, role=role, since=NOW)
    assert user.has_perm(permission) is (Role(role) in TABLE[permission])


def test_superusers_hold_nothing_over_people(db: None) -> None:
    user = User.objects.create_superuser("root@example.com", now=NOW)
    assert [p for p in TABLE if user.has_perm(p)] == []
    assert user.has_perm("requests.something_new") is False
    assert user.has_perm("accounts.view_session") is True


def test_members_hold_nothing(wecustomers: PolicyVersion) -> None:
    user = member()
    assert [p for p in TABLE if user.has_perm(p)] == []
    assert (user.staff_role, user.is_staff_member) == ("", False)


def test_staff_pages_need_a_second_factor(wecustomers: PolicyVersion, client: Client) -> None:
    user = staff_member(Role.SUPPORT, totp=False)
    assert client.get(REPORT)["Location"] == f"{LOGIN}?next={REPORT}"
    log_in(client, user)
    assert client.get(REPORT)["Location"] == "/accounts/2fa/totp/activate/"


def test_staff_log_in_with_an_authenticator_app(wecustomers: PolicyVersion, client: Client) -> None:
    user = staff_member(Role.SUPPORT)
    assert TOTP_SECRET not in str(Authenticator.objects.get().data)
    response = client.post(LOGIN, {"login": user.email, "password": PASSWORD})
    assert response["Location"] == "/accounts/2fa/authenticate/"
    assert client.get(REPORT).status_code == 302
    code = format_hotp_value(hotp_value(TOTP_SECRET, int(NOW.timestamp()) // 30))
    assert client.post("/accounts/2fa/authenticate/", {"code": code}).status_code == 302
    assert client.get(REPORT).status_code == 200


def test_staff_who_added_a_factor_prove_it_before_the_page(
    wecustomers: PolicyVersion, client: Client
) -> None:
    user = staff_member(Role.SUPPORT)
    client.force_login(user)
    there = client.get(REPORT)["Location"]
    assert there == f"/accounts/2fa/reauthenticate/?next={REPORT}"
    assert client.get(there).status_code == 200
    code = format_hotp_value(hotp_value(TOTP_SECRET, int(NOW.timestamp()) // 30))
    assert client.post(there, {"code": code, "next": REPORT})["Location"] == REPORT
    assert client.get(REPORT).status_code == 200


@pytest.mark.parametrize("role", Role.values)
def test_the_report_page_is_for_those_who_may_report(
    wecustomers: PolicyVersion, client: Client, role: str
) -> None:
    user = staff_member(role)
    prove_second_factor(client, user)
    allowed = Role(role) in TABLE["accounts.report_child"]
    assert client.get(REPORT).status_code == (200 if allowed else 403)


def report(**changes: str) -> dict[str, str]:
    return {
        "email": "kid@example.com",
        "source": "parent",
        "arrived_at": "2026-03-04T18:30",
        "reference": "letter 12",
        **changes,
    }


def test_a_report_locks_and_counts_from_its_arrival(
    wecustomers: PolicyVersion, client: Client
) -> None:
    kid = member(email="kid@example.com")
    support = staff_member(Role.SUPPORT)
    prove_second_factor(client, support)
    assert client.post(REPORT, report(email=" Kid@example.com"))["Location"] == REPORT
    assert Subject.objects.get(pk=kid.subject_id).locked is True
    entry = AuditEntry.objects.get(verb="accounts.child-learned")
    assert (entry.actor_kind, entry.actor_id) == ("staff", support.pk)
    assert entry.facts["arrived_at"] == "2026-03-04T18:30:00-05:00"
    access = StaffAccess.objects.get()
    assert (access.subject_id, access.role) == (kid.subject_id, "support")
    assert (access.task, access.reason.endswith("letter 12")) == (f"report:{entry.pk}", True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "nobody@example.com"),
        ("email", "\x00"),
        ("source", "the moon"),
        ("arrived_at", "2026-03-06T18:30"),
        ("arrived_at", "2026-02-31T18:30"),
        ("arrived_at", "yesterday"),
        ("arrived_at", "0001-01-01T00:00"),
        ("reference", "x" * 100),
        ("reference", "a\nb"),
    ],
)
def test_a_bad_report_names_its_field_and_locks_nobody(
    wecustomers: PolicyVersion, client: Client, field: str, value: str
) -> None:
    member(email="kid@example.com")
    prove_second_factor(client, staff_member(Role.SUPPORT))
    response = client.post(REPORT, report(**{field: value}))
    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]
    assert Subject.objects.filter(locked=True).count() == 0


def test_make_staff_appoints_confirmed_accounts_only(wecustomers: PolicyVersion) -> None:
    user = member(email="boss@example.com")
    member(email="fresh@example.com", confirmed=False)
    log_in(Client(), user)
    call_command("make_staff", "BOSS@example.com", "privacy_admin", "--superuser", verbosity=0)
    user = User.objects.get(pk=user.pk)
    assert (user.staff_role, user.is_superuser) == ("privacy_admin", True)
    assert Session.objects.count() == 0
    for email in ("nobody@example.com", "fresh@example.com", "nonsense"):
        with pytest.raises(CommandError):
            call_command("make_staff", email, "support")
    with pytest.raises(CommandError):
        call_command("make_staff", "boss@example.com", "king")


def test_sessions_expire_on_the_server_too(
    wecustomers: PolicyVersion, client: Client, clock: Any
) -> None:
    log_in(client, member())
    clock.shift(timedelta(seconds=settings.SESSION_COOKIE_AGE - 1))
    assert client.get(DEVICES).status_code == 200
    clock.shift(timedelta(seconds=2))
    assert client.get(DEVICES).status_code == 302
