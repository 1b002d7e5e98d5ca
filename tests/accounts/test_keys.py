"""Keys to the API: made for their owner alone, shown once, found without telling, ended."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import keys
from accounts.models import ApiKey, User
from audit.log import person
from audit.models import AuditEntry
from consent import mail
from consent.models import Message
from datamap.models import Subject
from policy.models import PolicyVersion
from retention import sweep
from tests.factories.accounts import PASSWORD, member, reauthenticated, staff_member
from tests.factories.api import made
from tests.factories.requests import erased

PAGE = "accounts:api_keys"


@pytest.fixture(autouse=True)
def no_counts() -> None:
    cache.clear()


@pytest.fixture
def user(wecustomers: PolicyVersion) -> User:
    return member()


def form(**fields: Any) -> dict[str, Any]:
    return {"name": "Shell", "scopes": ["choices:read"], "days": "90", **fields}


def test_table_holds_only_the_digest(user: User) -> None:
    found = made(user)
    assert re.fullmatch(r"kept_[0-9a-z]{10}_[A-Za-z0-9_-]{43}", found.text)
    row = ApiKey.objects.get()
    assert row.key_hash == hashlib.sha256(found.text.encode()).hexdigest()
    assert row.prefix == found.text[5:15]
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(k::text, '') FROM accounts_apikey k")
        assert found.text[16:] not in cursor.fetchone()[0]


def test_key_is_found_by_its_whole_text_only(user: User) -> None:
    now, text = timezone.now(), made(user).text
    found = keys.find(text=text, now=now)
    assert found is not None
    assert keys.owner_of(found) == user.subject_id
    wrong = "x" if text[-1] != "x" else "y"
    for other in (text[:-1] + wrong, text[:-1], text + "x", text[5:], "", "kept_", text.upper()):
        assert keys.find(text=other, now=now) is None


def test_looking_costs_the_same_whether_the_prefix_exists(
    user: User, django_assert_num_queries: Any
) -> None:
    now, text = timezone.now(), made(user).text
    unknown = "kept_" + "0" * 10 + text[15:]
    for tried in (text, text[:-3] + "abc", unknown):
        with django_assert_num_queries(1):
            keys.find(text=tried, now=now)


def test_key_ends_at_its_time(user: User) -> None:
    found = made(user)
    end = found.key.expires_at
    assert keys.find(text=found.text, now=end - timedelta(microseconds=1)) is not None
    assert keys.find(text=found.text, now=end) is None


def test_key_of_a_locked_or_closed_account_opens_nothing_and_works_again(user: User) -> None:
    text, now = made(user).text, timezone.now()
    Subject.objects.filter(pk=user.subject_id).update(locked=True)
    assert keys.find(text=text, now=now) is None
    Subject.objects.filter(pk=user.subject_id).update(locked=False)
    assert keys.find(text=text, now=now) is not None
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert keys.find(text=text, now=now) is None


def test_erasure_takes_the_keys(user: User) -> None:
    text, other = made(user).text, member()
    kept = made(other)
    erased(user, staff_member())
    assert list(ApiKey.objects.all()) == [kept.key]
    assert keys.find(text=text, now=timezone.now()) is None


def test_key_without_an_owner_opens_nobody(wecustomers: PolicyVersion) -> None:
    text = "kept_0123456789_" + "a" * 43
    now = timezone.now()
    row = ApiKey.objects.create(
        name="Site", prefix="0123456789", key_hash=keys.digest(text), created_at=now,
        expires_at=now + timedelta(days=1),
    )  # fmt: skip
    assert keys.find(text=text, now=now) == row
    assert keys.owner_of(row) is None


def test_no_more_than_ten_live_keys(user: User) -> None:
    now = timezone.now()
    for number in range(keys.MOST):
        made(user, name=f"Key {number}", now=now)
    with pytest.raises(keys.TooMany):
        made(user, name="One more", now=now)
    made(member(), name="Another person's", now=now)
    made(user, name="Later", now=now + timedelta(days=91))


def test_live_names_are_unique_per_person(user: User) -> None:
    first = made(user)
    with pytest.raises(keys.NameTaken):
        made(user)
    made(member())
    actor = person(user.subject_id)
    assert keys.revoke(user=user, handle=first.key.handle, actor=actor, now=timezone.now())
    made(user)


def test_unknown_scopes_and_lives_are_refused(user: User) -> None:
    with pytest.raises(keys.UnknownScope) as error:
        made(user, "choices:read", "everything")
    assert error.value.scopes == ["everything"]
    with pytest.raises(ValueError, match="can't live"):
        keys.make(
            user=user, name="x", scopes=["choices:read"], life=timedelta(days=4000),
            actor=person(user.subject_id), now=timezone.now(),
        )  # fmt: skip
    assert ApiKey.objects.count() == 0


def test_only_the_owner_ends_a_key(user: User) -> None:
    key, now = made(user).key, timezone.now()
    eve = member()
    actor = person(eve.subject_id)
    assert not keys.revoke(user=eve, handle=key.handle, actor=actor, now=now)
    assert keys.revoke(user=user, handle=key.handle, actor=person(user.subject_id), now=now)
    key.refresh_from_db()
    assert (key.revoked_at, key.expires_at) == (now, now)
    assert not keys.revoke(user=user, handle=key.handle, actor=actor, now=now)
    verbs = AuditEntry.objects.filter(object_id=str(key.pk)).order_by("at").values_list("verb")
    assert [v for (v,) in verbs] == ["accounts.api_key_made", "accounts.api_key_revoked"]


def test_table_refuses_an_ended_key_that_goes_on(user: User) -> None:
    key = made(user).key
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(key_hash="kept_plain")


def test_day_of_the_last_use_is_written_once_a_day(
    user: User, django_assert_num_queries: Any
) -> None:
    key, now = made(user).key, timezone.now()
    with django_assert_num_queries(1):
        keys.note_use(key=key, now=now)
    key.refresh_from_db()
    assert key.last_used_on == now.date()
    with django_assert_num_queries(0):
        keys.note_use(key=key, now=now)


def test_sweep_takes_keys_a_month_after_their_end(user: User) -> None:
    key = made(user).key
    sweep.sweep(now=key.expires_at + timedelta(days=29))
    assert ApiKey.objects.count() == 1
    sweep.sweep(now=key.expires_at + timedelta(days=32))
    assert ApiKey.objects.count() == 0


def test_page_wants_the_password_again(user: User, client: Client) -> None:
    client.force_login(user)
    for method in (client.get, client.post):
        answer = method(reverse(PAGE), form())
        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/reauthenticate/")
    assert ApiKey.objects.count() == 0


def test_page_shows_a_new_key_once_and_mails_its_owner(user: User, client: Client) -> None:
    reauthenticated(client, user)
    page = client.post(reverse(PAGE), form())
    text = re.search(r"kept_[0-9a-z]{10}_[A-Za-z0-9_-]{43}", page.content.decode())
    assert text is not None
    assert keys.find(text=text[0], now=timezone.now()) == ApiKey.objects.get()
    assert page["Cache-Control"] == "private, no-store"
    again = client.get(reverse(PAGE)).content.decode()
    assert "Shell" in again
    assert text[0] not in again
    told = mail.text_of(Message.objects.get(template="account_api_key_made"))
    assert "“Shell”" in told
    assert text[0] not in told
    assert text[0][16:] not in str(list(AuditEntry.objects.values_list("facts", flat=True)))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"name": ""}, "Give the key a name."),
        ({"scopes": []}, "Tick at least one thing"),
        ({"scopes": ["everything"]}, "everything is not one of the available choices"),
        ({"days": "9999"}, "9999 is not one of the available choices"),
    ],
)
def test_page_says_what_is_missing(
    user: User, client: Client, fields: dict[str, Any], told: str
) -> None:
    reauthenticated(client, user)
    assert told in client.post(reverse(PAGE), form(**fields)).content.decode()
    assert ApiKey.objects.count() == 0


def test_page_refuses_a_name_twice_and_an_eleventh_key(user: User, client: Client) -> None:
    reauthenticated(client, user)
    made(user)
    assert "a key of this name" in client.post(reverse(PAGE), form()).content.decode()
    for number in range(keys.MOST - 1):
        made(user, name=f"Key {number}")
    page = client.post(reverse(PAGE), form(name="New")).content.decode()
    assert "You have 10 keys" in page


def test_page_ends_one_key_and_no_others(user: User, client: Client) -> None:
    reauthenticated(client, user)
    mine, theirs = made(user).key, made(member()).key
    assert client.post(reverse("accounts:end_api_key", args=[theirs.handle])).status_code == 404
    assert client.post(reverse("accounts:end_api_key", args=[mine.handle])).status_code == 302
    live = ApiKey.objects.filter(expires_at__gt=timezone.now())
    assert list(live) == [theirs]


@pytest.mark.parametrize("keys_made", [1, 3])
def test_page_costs_the_same_for_any_number(
    user: User, client: Client, keys_made: int, django_assert_num_queries: Any
) -> None:
    reauthenticated(client, user)
    for number in range(keys_made):
        made(user, name=f"Key {number}")
    client.get(reverse(PAGE))
    with django_assert_num_queries(6):  # three of them ask which proof the log-in page wants
        client.get(reverse(PAGE))


def test_new_password_ends_all_keys(user: User, client: Client) -> None:
    text, theirs = made(user).text, made(member()).text
    reauthenticated(client, user)
    new = "nine slow brown owls"
    answer = client.post(
        reverse("account_change_password"),
        {"oldpassword": PASSWORD, "password1": new, "password2": new},
    )
    assert answer.status_code == 302
    assert keys.find(text=text, now=timezone.now()) is None
    assert keys.find(text=theirs, now=timezone.now()) is not None


def test_password_by_mail_ends_all_keys(user: User, client: Client) -> None:
    text = made(user).text
    client.post(reverse("account_reset_password"), {"email": user.email})
    letter = mail.text_of(Message.objects.get(template="account_password_reset_key"))
    link = re.search(r"https?://[^/]+(/accounts/password/reset/key/\S+)", letter)
    assert link is not None
    page = client.get(link[1], follow=True)
    new = "nine slow brown owls"
    client.post(page.redirect_chain[-1][0], {"password1": new, "password2": new})
    assert keys.find(text=text, now=timezone.now()) is None
