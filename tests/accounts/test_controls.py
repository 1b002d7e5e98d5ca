"""Every promise of this room, broken on purpose, is reported."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection

from accounts import screen
from accounts.controls import age, passwords, sessions, signup
from accounts.models import AgeVerdict, User
from audit.control import Finding, evaluate
from audit.control import controls as declared
from audit.models import Evidence
from consent.models import Event
from datamap.models import Subject
from policy.models import PolicyVersion
from tests.accounts.dump import dump
from tests.factories.accounts import member, minor
from tests.factories.policy import edited, publish_bytes, relabelled

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)
NAMES = 'required = [\n    "accounts.account.email",\n    "accounts.account.first_name",\n'
KEYS = (
    "accounts.age-screen",
    "accounts.minors-advice",
    "accounts.password-hashes",
    "accounts.session-cookie",
    "accounts.signup-fields",
)


@pytest.fixture(autouse=True)
def fresh_rate_limits() -> None:
    cache.clear()


def untouched(table: str) -> Any:
    """Changes to rows that the application itself could not make."""
    cursor = connection.cursor()
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    return cursor


@pytest.mark.parametrize("key", KEYS)
def test_a_site_that_keeps_its_promise_is_said_to(wecustomers: PolicyVersion, key: str) -> None:
    member()
    minor()
    before = dump()
    evidence = evaluate(control=declared()[key], now=NOW)
    assert (evidence.outcome, evidence.violation_ids) == (Evidence.Outcome.KEPT, [])
    assert evidence.checked >= 1
    after = dump()
    assert {table for table in after if after[table] != before[table]} == {"audit_evidence"}


def test_a_column_that_the_policy_does_not_name_is_reported(wecustomers: PolicyVersion) -> None:
    source = edited(
        "policies/wecustomers.toml",
        (NAMES + '    "accounts.account.last_name",\n', NAMES),
    )
    publish_bytes(relabelled(source, "nameless"), now=datetime(2025, 1, 1, tzinfo=UTC))
    with_name, without = member(fields=frozenset()), member(fields=frozenset(), last_name="")
    finding = signup.signup_fields(NOW)
    assert (finding.checked, finding.violations) == (2, (str(with_name.pk),))
    assert without.last_name == ""


def test_a_column_our_code_does_not_know_is_reported(wecustomers: PolicyVersion) -> None:
    user = member()
    member()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE accounts_user ADD COLUMN phone text")
        cursor.execute("UPDATE accounts_user SET phone = '1' WHERE id = %s", [user.pk])
    assert signup.signup_fields(NOW).violations == (str(user.pk),)


def test_an_account_from_before_any_policy_is_reported(wecustomers: PolicyVersion) -> None:
    early = User.objects.create_user("early@example.com", now=datetime(2016, 1, 1, tzinfo=UTC))
    for check in (signup.signup_fields, age.age_screen):
        assert check(NOW).violations == (str(early.pk),)


def test_a_cookie_that_outlives_the_browser_is_reported(
    wecustomers: PolicyVersion, settings: Any
) -> None:
    settings.ACCOUNT_SESSION_REMEMBER = True
    finding = evaluate(control=declared()["accounts.session-cookie"], now=NOW)
    assert (finding.outcome, finding.violation_ids) == ("broken", ["max-age", "expires"])


def test_a_log_in_that_does_not_work_is_no_pass(wecustomers: PolicyVersion, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
    assert sessions.session_cookie(NOW).violations == ("max-age", "expires")


def _remove(user: User) -> None:
    AgeVerdict.objects.filter(subject=user.subject).delete()


def _too_young(user: User) -> None:
    AgeVerdict.objects.filter(subject=user.subject).update(born_on=date(2014, 1, 1))


def _too_late(user: User) -> None:
    AgeVerdict.objects.filter(subject=user.subject).update(passed_at=user.date_joined)


def _twelve_by_a_day(user: User) -> None:
    AgeVerdict.objects.filter(subject=user.subject).update(born_on=date(2013, 3, 3))


def _corrected_to_a_child(user: User) -> None:
    rows = AgeVerdict.objects.filter(subject=user.subject)
    rows.update(born_on=date(2014, 1, 1), corrected_at=NOW, source="person")


@pytest.mark.parametrize(
    "breach", [_remove, _too_young, _too_late, _twelve_by_a_day, _corrected_to_a_child]
)
def test_an_account_without_a_passing_verdict_is_reported(
    wecustomers: PolicyVersion, breach: Any
) -> None:
    member()
    user = member()
    breach(user)
    assert age.age_screen(NOW).violations == (str(user.pk),)


def test_a_screen_that_reckons_wrong_is_reported(
    wecustomers: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "age_on", lambda born, day: 99)
    user = member(born_on=date(2014, 1, 1), fields=frozenset())
    found = age.age_screen(NOW).violations
    assert found == (str(user.pk), "second try: a child was not refused")


@pytest.mark.parametrize(("month", "day", "found"), [(2, 28, True), (3, 1, False)])
def test_born_on_29_february_is_thirteen_on_1_march(
    wecustomers: PolicyVersion, month: int, day: int, found: bool
) -> None:
    user = member(now=datetime(2025, month, day, 12, tzinfo=UTC))
    AgeVerdict.objects.filter(subject=user.subject).update(born_on=date(2012, 2, 29))
    assert (str(user.pk) in age.age_screen(NOW).violations) is found


def test_thirteen_on_the_day_is_no_violation(wecustomers: PolicyVersion) -> None:
    member(born_on=date(2013, 3, 2))
    assert age.age_screen(NOW).violations == ()


def test_a_corrected_child_who_is_locked_is_no_violation(wecustomers: PolicyVersion) -> None:
    user = member()
    _corrected_to_a_child(user)
    Subject.objects.filter(pk=user.subject_id).update(locked=True)
    assert age.age_screen(NOW).violations == ()


def test_the_verdict_is_judged_by_the_policy_of_its_day(wecustomers: PolicyVersion) -> None:
    young = minor(years=15)
    stricter = edited("policies/wecustomers.toml", ("youngest = 13", "youngest = 18"))
    published = young.date_joined - timedelta(days=29)
    publish_bytes(relabelled(stricter, "stricter"), now=published)
    assert age.age_screen(NOW).violations == ()
    late = member(now=NOW - timedelta(days=1), email="late@example.com")
    AgeVerdict.objects.filter(subject=late.subject).update(born_on=date(2010, 1, 1))
    assert age.age_screen(NOW).violations == (str(late.pk),)


def test_a_screen_that_allows_a_second_try_is_reported(
    wecustomers: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "is_blocked", lambda request: False)
    assert age.age_screen(NOW).violations == ("second try: /accounts/age/ answered 200",)


def test_a_screen_that_refuses_nobody_is_reported(
    wecustomers: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown = screen.Judgement.GROWN
    monkeypatch.setattr(screen, "judge", lambda *args, **kwargs: grown)
    assert age.age_screen(NOW).violations == ("second try: a child was not refused",)


def test_no_age_screen_needs_no_verdict(policy_of: Any) -> None:
    policy_of("wespro")
    member(age_pass=None)
    assert age.age_screen(NOW) == Finding.of(checked=2, violations=[])


def test_a_minor_without_earlier_advice_is_reported(wecustomers: PolicyVersion) -> None:
    member()
    minor()
    silent, late = minor(), minor()
    with untouched("consent_event"):
        rows = Event.objects.filter(key="minors-advice")
        with untouched("consent_choice") as cursor:
            cursor.execute("DELETE FROM consent_choice WHERE key = 'minors-advice'")
        rows.filter(subject=silent.subject).delete()
        rows.filter(subject=late.subject).update(at=late.date_joined + timedelta(seconds=1))
    finding = age.minors_advice(NOW)
    assert finding.checked == 3
    assert sorted(finding.violations) == sorted([str(silent.pk), str(late.pk)])


def test_a_minor_without_private_defaults_is_reported(wecustomers: PolicyVersion) -> None:
    user = minor()
    Subject.objects.filter(pk=user.subject_id).update(minor=False)
    assert age.minors_advice(NOW).violations == (str(user.subject_id),)
    assert age.minors_advice(datetime(2029, 1, 15, 12, tzinfo=UTC)).violations == ()


@pytest.mark.parametrize(
    "stored",
    ["", "seven small grey geese", "md5$salt$abcdef", "pbkdf2_sha256$1$salt$abcdef", "argon2$"],
)
def test_a_password_that_is_no_strong_hash_is_reported(
    wecustomers: PolicyVersion, stored: str
) -> None:
    user = member()
    member()
    User.objects.filter(pk=user.pk).update(password=stored)
    finding = passwords.password_hashes(NOW)
    assert (finding.checked, finding.violations) == (3, (str(user.pk),))


@pytest.mark.parametrize(
    ("cost", "strong"),
    [
        ("m=19456,t=2,p=1", True),
        ("m=102400,t=2,p=8", True),
        ("m=19455,t=2,p=1", False),
        ("m=102400,t=1,p=8", False),
        ("m=8,t=400000,p=1", False),
    ],
)
def test_a_hash_made_with_too_little_work_is_reported(
    wecustomers: PolicyVersion, monkeypatch: pytest.MonkeyPatch, cost: str, strong: bool
) -> None:
    monkeypatch.setattr(passwords, "FLOOR", {"m": 19_456, "t": 2})
    user = member()
    _name, kind, version, _cost, salt, digest = user.password.split("$")
    stored = "$".join(("argon2", kind, version, cost, salt, digest))
    User.objects.filter(pk=user.pk).update(password=stored)
    assert passwords.password_hashes(NOW).violations == (() if strong else (str(user.pk),))


NOTICE = '<div class="notice" id="check-address"><p>{}</p></div>'


@pytest.mark.parametrize(
    ("snippet", "told"),
    [
        (NOTICE.format("Look at the address: {{ request.get_host }}"), True),
        (NOTICE.format("Look at the address."), False),
        (NOTICE.format("It is elsewhere.example.com"), False),
        (NOTICE.format("It is {{ request.get_host }}").replace("notice", "visually-hidden"), False),
        ("", False),
    ],
)
def test_a_log_in_page_without_the_advice_is_reported(
    wecustomers: PolicyVersion, settings: Any, tmp_path: Path, snippet: str, told: bool
) -> None:
    place = tmp_path / "account" / "snippets"
    place.mkdir(parents=True)
    (place / "check_address.html").write_text(snippet)
    engine = settings.TEMPLATES[0]
    settings.TEMPLATES = [{**engine, "DIRS": [tmp_path, *engine["DIRS"]]}]
    found = () if told else ("no advice where people sign in",)
    assert passwords.password_hashes(NOW).violations == found


def test_an_account_without_a_password_is_fine(wecustomers: PolicyVersion) -> None:
    user = member()
    user.set_unusable_password()
    user.save()
    assert passwords.password_hashes(NOW).violations == ()
