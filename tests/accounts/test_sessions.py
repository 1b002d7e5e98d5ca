"""What ends every log-in of a person, wherever it is open, and every key to the API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.management.commands import changepassword
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.age import learn_birth_date, report_child
from accounts.models import ApiKey, Session, User
from accounts.registration import confirm_address, confirmation_url
from audit.log import SYSTEM
from audit.models import AuditEntry
from consent import mail
from consent.models import Message
from datamap.models import Subject
from policy.models import PolicyVersion
from tests.factories.accounts import PASSWORD, log_in, member, reauthenticated, staff_member
from tests.factories.api import caller
from tests.factories.requests import erased

DEVICES = "/privacy/devices/"
ME = "/api/v1/me/"
BETTER = "eight tall brown horses"


@pytest.fixture(autouse=True)
def fresh_rate_limits() -> None:
    cache.clear()


@pytest.fixture
def ada(wecustomers: PolicyVersion) -> User:
    return member()


def is_in(browser: Client) -> bool:
    return browser.get(DEVICES).status_code == 200


def changed_password(user: User) -> None:
    form = {"oldpassword": PASSWORD, "password1": BETTER, "password2": BETTER}
    browser = reauthenticated(Client(), user)
    assert browser.post(reverse("account_change_password"), form).status_code == 302
    assert is_in(browser)


def reset_password(user: User) -> None:
    Client().post(reverse("account_reset_password"), {"email": user.email})
    message = Message.objects.get(template="account_password_reset_key")
    link = next(word for word in mail.text_of(message).split() if "/reset/key/" in word)
    page = Client().get(link, follow=True)
    browser = Client()
    browser.get(link)
    form = {"password1": BETTER, "password2": BETTER}
    browser.post(page.redirect_chain[-1][0], form)


def set_password_at_the_console(user: User) -> None:
    call_command("changepassword", user.email)


def told_to_be_a_child(user: User) -> None:
    learn_birth_date(
        subject=user.subject,
        born_on=date(timezone.now().year - 9, 1, 1),
        source="other",
        actor=SYSTEM,
        now=timezone.now(),
    )


def reported_as_a_child(user: User) -> None:
    now = timezone.now()
    report_child(subject=user.subject, source="parent", actor=SYSTEM, now=now, arrived_at=now)


def locked_otherwise(user: User) -> None:
    Subject.objects.filter(pk=user.subject_id).update(locked=True)


def closed(user: User) -> None:
    erased(user, staff_member(), now=timezone.now())


def changed_address(user: User) -> None:
    address = EmailAddress.objects.create(user=user, email="new@example.com")
    assert confirm_address(email_address=address, now=timezone.now())


@pytest.mark.parametrize(
    "deed",
    [
        changed_password,
        reset_password,
        set_password_at_the_console,
        told_to_be_a_child,
        reported_as_a_child,
        locked_otherwise,
        closed,
        changed_address,
    ],
)
def test_it_ends_every_log_in_and_every_key(
    ada: User, monkeypatch: pytest.MonkeyPatch, deed: Callable[[User], None]
) -> None:
    monkeypatch.setattr(changepassword.Command, "_get_pass", lambda self, prompt="": BETTER)
    stranger, strange_program = log_in(Client(), other := member()), caller(other)
    plain, staying, program = log_in(Client(), ada), Client(), caller(ada)
    form = {"login": ada.email, "password": PASSWORD, "stay": "on"}
    staying.post(reverse("account_login"), form)
    assert [is_in(plain), is_in(staying), program.get(ME).status_code] == [True, True, 200]
    deed(ada)
    assert [is_in(plain), is_in(staying), program.get(ME).status_code] == [False, False, 401]
    assert [is_in(stranger), strange_program.get(ME).status_code] == [True, 200]


def test_nothing_is_left_of_them_once_the_account_is_closed(ada: User) -> None:
    log_in(Client(), ada)
    caller(ada)
    closed(ada)
    assert not Session.objects.filter(user_id=ada.pk).exists()
    assert not ApiKey.objects.filter(user_id=ada.pk).exists()


def test_a_half_log_in_ends_with_a_new_password(ada: User) -> None:
    reviewer = staff_member()
    browser = Client()
    browser.post(reverse("account_login"), {"login": reviewer.email, "password": PASSWORD})
    assert Session.objects.filter(user=reviewer).count() == 1
    reset_password(reviewer)
    assert browser.get(reverse("mfa_authenticate")).status_code == 302


def test_a_new_address_leaves_the_browser_that_proved_it(ada: User) -> None:
    here, elsewhere = reauthenticated(Client(), ada), log_in(Client(), ada)
    here.post(reverse("account_email"), {"email": "new@example.com", "action_add": ""})
    address = EmailAddress.objects.get(email="new@example.com")
    assert here.post(confirmation_url(address).partition("testserver")[2] or "/").status_code
    link = next(
        word
        for word in mail.text_of(Message.objects.get(template="account_email_confirmation")).split()
        if "/confirm-email/" in word
    )
    here.post(link)
    assert [is_in(here), is_in(elsewhere)] == [True, False]


@pytest.mark.parametrize("email", ["", "nonsense", "nobody@example.com"])
def test_the_console_says_whose_password_it_cannot_set(
    wecustomers: PolicyVersion, monkeypatch: pytest.MonkeyPatch, email: str
) -> None:
    monkeypatch.setattr(changepassword.Command, "_get_pass", lambda self, prompt="": BETTER)
    with pytest.raises(CommandError):
        call_command("changepassword", email)


def test_a_password_set_at_the_console_is_logged_and_told(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changepassword.Command, "_get_pass", lambda self, prompt="": BETTER)
    call_command("changepassword", ada.email.upper())
    entry = AuditEntry.objects.get(verb="accounts.password-set")
    assert (entry.actor_kind, entry.subject_id) == ("system", ada.subject_id)
    text = mail.text_of(Message.objects.get(template="account_password_by_staff"))
    assert "The people who run this site changed the password" in text
    assert BETTER not in text
    assert User.objects.get(pk=ada.pk).check_password(BETTER)
