"""People correct their own data; and every way in which accounts.corrections finds a violation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.core.files.storage import storages
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import correctable, corrections, keys
from accounts.adapter import AccountAdapter
from accounts.age import Learned, learn_birth_date
from accounts.controls import corrections as control
from accounts.controls import signup
from accounts.models import AgeVerdict, ApiKey, Confirmation, Profile, User
from accounts.signals import data_corrected
from accounts.views import birth_date
from audit.control import controls as declared
from audit.control import evaluate
from audit.log import person, staff
from audit.models import AuditEntry
from consent.ledger import SubjectClosed
from consent.models import Event, Message
from datamap.models import Subject
from datamap.registry import holding, holdings
from policy import current
from policy.models import PolicyVersion
from tests.accounts.dump import dump
from tests.factories.accounts import member, reauthenticated, staff_member
from tests.factories.policy import edited, publish_bytes, relabelled
from tests.factories.profiles import profile_of, set_profile, with_profile

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)
ACCOUNT = "accounts.account"
PAGE = "/privacy/data/correct/"
FIRST = 'required = [\n    "accounts.account.email",\n    "accounts.account.first_name",\n'
LAST = '    "accounts.account.last_name",\n'
MAY = 'optional = [\n    "accounts.account.first_name",\n'
ONE_NAME = ((FIRST + LAST, FIRST), (MAY + LAST, MAY))


@pytest.fixture(autouse=True)
def fresh_rate_limits() -> None:
    cache.clear()


@pytest.fixture
def ada(wecustomers: PolicyVersion) -> User:
    return member(first_name="Ada", last_name="Example")


@pytest.fixture
def browser(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def ref_of(user: User, key: str = ACCOUNT) -> str:
    kind = holding(key)
    row = kind.rows_of([user.subject_id]).get()
    return correctable.reference(kind, row)


def address(user: User, key: str = ACCOUNT) -> str:
    return reverse("accounts:correct", args=[key, ref_of(user, key)])


def names(first: str, last: str = "Example") -> dict[str, str]:
    return {"first_name": first, "last_name": last}


def made_key(user: User, name: str = "Shell") -> ApiKey:
    return keys.make(
        user=user,
        name=name,
        scopes=["choices:read"],
        life=keys.LIVES[0],
        actor=person(user.subject_id),
        now=timezone.now(),
    ).key


def correct(user: User, **values: str) -> list[str]:
    return corrections.correct(
        subject_id=user.subject_id,
        key=ACCOUNT,
        ref=ref_of(user),
        values=values,
        actor=person(user.subject_id),
        now=NOW,
    )


# The data map -----------------------------------------------------------------------------------


def form_field(model: Any, name: str) -> Any:
    return model._meta.get_field(name).formfield()


def test_every_correctable_field_has_a_page_or_a_form_field() -> None:
    without = [
        f"{each.key}.{personal.name}"
        for each in holdings()
        for personal in each.personal
        if personal.correctable
        and not personal.page
        and form_field(each.model_class, personal.name) is None
    ]
    assert without == []


def test_pages_of_their_own_exist() -> None:
    pages = {personal.page for each in holdings() for personal in each.personal if personal.page}
    assert pages >= {"account_email", "accounts:birth_date"}
    for page in pages:
        assert reverse(page)


# The page ---------------------------------------------------------------------------------------


def test_page_shows_what_is_held_with_a_form_or_a_way_to_one(browser: Client, ada: User) -> None:
    response = browser.get(PAGE)
    text = response.content.decode()
    assert response["Cache-Control"] == "private, no-store"
    for words in ('value="Ada"', 'value="Example"', ada.email, "17 May 1990"):
        assert words in text
    for page in ("account_email", "accounts:birth_date", "requests:data"):
        assert f'href="{reverse(page)}"' in text
    assert str(ada.pk) not in text
    assert str(ada.subject_id) not in text


def test_page_is_reached_from_the_data_page_and_the_hub(browser: Client) -> None:
    for page in ("requests:data", "privacy"):
        assert f'href="{PAGE}"' in browser.get(reverse(page)).content.decode()


def test_page_needs_a_log_in(client: Client, ada: User) -> None:
    for response in (client.get(PAGE), client.post(address(ada), names("Eve"))):
        assert response["Location"].startswith(reverse("account_login"))
    ada.refresh_from_db()
    assert ada.first_name == "Ada"


@pytest.mark.parametrize("number", [1, 3])
def test_page_costs_the_same_however_many_rows(
    browser: Client, ada: User, number: int, django_assert_num_queries: Any
) -> None:
    for each in range(number):
        made_key(ada, name=f"Key {each}")
    browser.get(PAGE)
    # Session, user, what one said, and one for each holding that is open to its owner.
    with django_assert_num_queries(3 + len(correctable.open_holdings())):
        assert browser.get(PAGE).status_code == 200


# Changing ---------------------------------------------------------------------------------------


def test_a_correction_is_served_at_the_next_read(browser: Client, ada: User) -> None:
    response = browser.post(address(ada), names("Adah"))
    assert response["Location"] == f"{PAGE}#accounts-account"
    assert 'value="Adah"' in browser.get(PAGE).content.decode()
    ada.refresh_from_db()
    assert (ada.first_name, ada.last_name) == ("Adah", "Example")


def test_a_correction_leaves_its_cause_and_no_value_in_the_log(browser: Client, ada: User) -> None:
    browser.post(address(ada), names("Adah"))
    entry = AuditEntry.objects.get(verb="accounts.data-corrected")
    assert (entry.actor_kind, entry.subject_id) == ("person", ada.subject_id)
    assert entry.facts == {"holding": ACCOUNT, "fields": ["first_name"]}
    event = Event.objects.filter(kind="collection", key="signup").latest("at")
    assert (event.fields, event.surface) == (["accounts.account.first_name"], "correction")
    point = current.document().collection_point("signup")
    assert point is not None
    assert event.words.text == point.notice
    assert point.notice in browser.get(PAGE).content.decode()
    for entry in AuditEntry.objects.all():
        assert "Adah" not in str(entry.facts)


def test_rooms_above_hear_of_a_correction(ada: User) -> None:
    heard: list[dict[str, Any]] = []

    def listen(sender: Any, **told: Any) -> None:
        heard.append(told)

    data_corrected.connect(listen)
    try:
        correct(ada, first_name="Adah")
    finally:
        data_corrected.disconnect(listen)
    (told,) = heard
    del told["signal"]
    assert told == {
        "subject_id": ada.subject_id,
        "holding": ACCOUNT,
        "fields": ["first_name"],
        "now": NOW,
    }


def test_the_same_value_again_changes_nothing(browser: Client, ada: User) -> None:
    before = dump()
    browser.post(address(ada), names("Ada"))
    after = dump()
    assert {table for table in after if after[table] != before[table]} <= {"accounts_session"}
    assert "Nothing was changed." in browser.get(PAGE).content.decode()


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ("", "First name"),
        ("   ", "First name"),
        ("x" * 101, "at most 100 characters"),
        ("x" * 1_000_000, "at most 100 characters"),
        ("Ada\nBcc: eve@example.com", "on one line"),
        ("Ada\x00", "ull characters"),
        ("A\u2028da", "on one line"),
    ],
)
def test_bad_values_are_refused_by_the_fields_name(
    browser: Client, ada: User, first: str, words: str
) -> None:
    response = browser.post(address(ada), names(first, last="Other"))
    text = response.content.decode()
    assert response.status_code == 200
    assert "First name</a>" in text
    assert words in text
    ada.refresh_from_db()
    assert (ada.first_name, ada.last_name) == ("Ada", "Example")
    assert not AuditEntry.objects.filter(verb="accounts.data-corrected").exists()


def test_markup_stays_text(browser: Client, ada: User) -> None:
    browser.post(address(ada), names('"><script>alert(1)</script>'))
    text = browser.get(PAGE).content.decode()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_fields_that_are_not_on_the_form_are_left_alone(browser: Client, ada: User) -> None:
    browser.post(address(ada), {**names("Adah"), "is_staff": "1", "email": "eve@example.com"})
    stored = User.objects.get(pk=ada.pk)
    assert (stored.first_name, stored.is_staff, stored.email) == ("Adah", False, ada.email)


@pytest.mark.parametrize("name", ["is_superuser", "email", "password", "nonsense"])
def test_what_has_another_way_or_none_is_not_taken(ada: User, name: str) -> None:
    with pytest.raises(correctable.NotYours):
        correct(ada, **{name: "x"})


def test_the_domain_keeps_the_rules_without_a_form(ada: User) -> None:
    with pytest.raises(ValidationError) as refused:
        correct(ada, first_name="", last_name="x" * 101)
    assert set(refused.value.message_dict) == {"first_name", "last_name"}


def test_somebody_elses_row_is_not_found(browser: Client, ada: User) -> None:
    eve = member(first_name="Eve")
    for key, ref in (
        (ACCOUNT, ref_of(eve)),
        (ACCOUNT, "0" * 32),
        ("accounts.session", ref_of(ada)),
        ("no.holding", ref_of(ada)),
    ):
        response = browser.post(reverse("accounts:correct", args=[key, ref]), names("Mallory"))
        assert response.status_code == 404
    eve.refresh_from_db()
    assert eve.first_name == "Eve"


def test_what_the_policy_does_not_ask_for_is_not_taken(wecustomers: PolicyVersion) -> None:
    user = member()
    User.objects.filter(pk=user.pk).update(last_name="")
    source = edited("policies/wecustomers.toml", *ONE_NAME)
    publish_bytes(relabelled(source, "one name"), now=datetime(2026, 2, 3, tzinfo=UTC))
    with pytest.raises(ValidationError) as refused:
        correct(user, last_name="Example")
    assert set(refused.value.message_dict) == {"last_name"}


def test_what_is_held_without_need_can_be_corrected_and_emptied(wecustomers: PolicyVersion) -> None:
    user = member()
    source = edited("policies/wecustomers.toml", *ONE_NAME)
    publish_bytes(relabelled(source, "one name"), now=datetime(2026, 2, 3, tzinfo=UTC))
    assert correct(user, last_name="Other") == ["last_name"]
    assert correct(user, last_name="") == ["last_name"]
    assert User.objects.get(pk=user.pk).last_name == ""


def test_a_field_filled_in_later_is_no_violation_of_signing_up(wecustomers: PolicyVersion) -> None:
    source = edited("policies/wecustomers.toml", *ONE_NAME)
    publish_bytes(relabelled(source, "one name"), now=datetime(2025, 6, 1, tzinfo=UTC))
    user = member(fields=frozenset(), last_name="")
    publish_bytes(
        relabelled(edited("policies/wecustomers.toml"), "two names"),
        now=datetime(2026, 2, 3, tzinfo=UTC),
    )
    assert correct(user, last_name="Example") == ["last_name"]
    assert signup.signup_fields(NOW).violations == ()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE consent_event DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM consent_choice WHERE kind = 'collection'")
        cursor.execute("DELETE FROM consent_event WHERE surface = 'correction'")
    assert signup.signup_fields(NOW).violations == (str(user.pk),)


@pytest.mark.parametrize("why", ["locked", "restricted"])
def test_nothing_is_changed_while_data_is_only_stored(ada: User, why: str) -> None:
    Subject.objects.filter(pk=ada.subject_id).update(**{why: True})
    with pytest.raises(SubjectClosed):
        correct(ada, first_name="Adah")
    assert User.objects.get(pk=ada.pk).first_name == "Ada"


def test_a_restricted_person_is_told_why(browser: Client, ada: User) -> None:
    Subject.objects.filter(pk=ada.subject_id).update(restricted=True)
    response = browser.post(address(ada), names("Adah"), follow=True)
    assert "only stored for now" in response.content.decode()


def test_correcting_has_a_limit(browser: Client, ada: User) -> None:
    statuses = [browser.post(address(ada), {"right": "yes"}).status_code for _ in range(31)]
    assert statuses == [302] * 30 + [429]


def test_what_staff_correct_the_person_is_told_by_role(ada: User) -> None:
    reviewer = staff_member()
    corrections.correct(
        subject_id=ada.subject_id,
        key=ACCOUNT,
        ref=ref_of(ada),
        values={"first_name": "Adah"},
        actor=staff(reviewer.pk),
        now=NOW,
    )
    message = Message.objects.get(template="account_data_by_staff")
    assert message.subject_id == ada.subject_id
    assert not Confirmation.objects.filter(subject=ada.subject).exists()
    assert not Event.objects.filter(subject=ada.subject, surface="correction").exists()


# Saying that it is right ------------------------------------------------------------------------


def test_saying_that_it_is_right_is_noted_and_shown(browser: Client, ada: User) -> None:
    browser.post(address(ada), {"right": "yes", **names("Mallory")})
    said = Confirmation.objects.filter(subject=ada.subject).values_list("field", "said")
    assert sorted(said) == [("email", "right"), ("first_name", "right"), ("last_name", "right")]
    assert User.objects.get(pk=ada.pk).first_name == "Ada"
    entry = AuditEntry.objects.get(verb="accounts.data-confirmed")
    assert entry.facts == {"holding": ACCOUNT, "fields": ["email", "first_name", "last_name"]}
    text = browser.get(PAGE).content.decode()
    assert "that this is right: E-mail address, First name, Last name." in text


def test_the_last_word_on_a_field_counts(browser: Client, ada: User) -> None:
    browser.post(address(ada), {"right": "yes"})
    browser.post(address(ada), names("Adah"))
    words = Confirmation.objects.filter(subject=ada.subject).values_list("field", "said")
    assert dict(words) == {"email": "right", "first_name": "corrected", "last_name": "right"}


def test_a_birth_date_can_be_confirmed_here_and_is_changed_on_its_page(
    browser: Client, ada: User
) -> None:
    browser.post(address(ada, "accounts.age"), {"right": "yes"})
    assert Confirmation.objects.get(holding="accounts.age").field == "born_on"
    response = browser.post(address(ada, "accounts.age"), {"born_on": "2018-01-01"})
    assert response.status_code == 302
    assert AgeVerdict.objects.get(subject=ada.subject).born_on.year == 1990


def test_what_is_changed_on_a_page_of_its_own_is_noted_and_told_to_the_rooms_above(
    ada: User,
) -> None:
    heard: list[tuple[str, list[str]]] = []

    def listen(sender: Any, holding: str, fields: list[str], **told: Any) -> None:
        heard.append((holding, fields))

    data_corrected.connect(listen)
    try:
        set_profile(ada, values={"about": "Tunes harpsichords.", "first_name": "Adah"}, now=NOW)
        browser = reauthenticated(Client(), ada)
        born = {"day": "18", "month": "5", "year": "1990"}
        browser.post(reverse("accounts:birth_date"), born)
    finally:
        data_corrected.disconnect(listen)
    assert heard == [
        ("accounts.account", ["first_name"]),
        ("accounts.profile", ["about"]),
        ("accounts.age", ["born_on"]),
    ]
    words = Confirmation.objects.filter(subject=ada.subject).values_list("field", "said")
    assert dict(words) == dict.fromkeys(["about", "born_on", "first_name"], "corrected")
    assert "You changed this on" in browser.get(PAGE).content.decode()


def test_a_birth_date_that_staff_corrected_is_told(ada: User) -> None:
    learn_birth_date(
        subject=ada.subject,
        born_on=date(1991, 1, 1),
        source="staff",
        actor=staff(staff_member().pk),
        now=NOW,
    )
    assert Message.objects.filter(template="account_data_by_staff").count() == 1


# Removing ---------------------------------------------------------------------------------------


def test_removing_one_row_says_first_what_goes(client: Client, ada: User) -> None:
    reauthenticated(client, ada)
    key, other = made_key(ada), made_key(ada, name="Other")
    kind = holding("accounts.api_key")
    path = reverse("accounts:remove", args=[kind.key, correctable.reference(kind, key)])
    text = client.get(path).content.decode()
    assert "deleted at once" in text
    assert key.name in text
    assert key.prefix in text
    assert key.key_hash not in text
    assert ApiKey.objects.count() == 2
    assert client.post(path)["Location"] == PAGE
    assert list(ApiKey.objects.all()) == [other]
    entry = AuditEntry.objects.get(verb="accounts.data-removed")
    assert entry.facts == {"holding": kind.key, "rows": 1}
    assert client.post(path).status_code == 404


def test_removing_all_of_a_kind_leaves_other_peoples(client: Client, ada: User) -> None:
    reauthenticated(client, ada)
    kept = made_key(member())
    made_key(ada)
    made_key(ada, name="Other")
    client.post(reverse("accounts:remove_all", args=["accounts.api_key"]))
    assert list(ApiKey.objects.all()) == [kept]


def test_removing_needs_the_password_again(browser: Client, ada: User) -> None:
    made_key(ada)
    path = reverse("accounts:remove_all", args=["accounts.api_key"])
    for response in (browser.get(path), browser.post(path)):
        assert response["Location"].startswith(reverse("account_reauthenticate"))
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("key", [ACCOUNT, "accounts.age", "accounts.confirmation", "no.holding"])
def test_what_the_account_needs_is_not_removed(client: Client, ada: User, key: str) -> None:
    reauthenticated(client, ada)
    assert client.post(reverse("accounts:remove_all", args=[key])).status_code == 404
    assert User.objects.filter(pk=ada.pk).exists()


def test_what_the_policy_asks_for_is_not_removed(ada: User) -> None:
    kind = holding("accounts.api_key")
    document = current.document()
    assert correctable.may_remove(kind, document)
    point = document.collection_points[0].model_copy(update={"required": ["accounts.api_key.name"]})
    needing = document.model_copy(update={"collection_points": [point]})
    assert not correctable.may_remove(kind, needing)


def test_removing_goes_on_until_nothing_is_left(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrections, "BITE", 2)
    for number in range(5):
        made_key(ada, name=f"Key {number}")
    gone = corrections.remove(
        subject_id=ada.subject_id,
        key="accounts.api_key",
        actor=person(ada.subject_id),
        now=NOW,
    )
    assert (gone, ApiKey.objects.count()) == (5, 0)


def test_a_removed_profile_goes_with_its_photo_and_a_new_one_can_be_begun(
    client: Client, wecustomers: PolicyVersion
) -> None:
    ada, eve = with_profile("everyone"), with_profile("everyone")
    reauthenticated(client, ada)
    photo, handle = profile_of(ada).photo, profile_of(ada).handle
    assert storages["photos"].exists(photo)
    ref = ref_of(ada, "accounts.profile")
    assert "Shown on its own page." in client.get(PAGE).content.decode()
    client.post(reverse("accounts:remove", args=["accounts.profile", ref]))
    assert not Profile.objects.filter(subject=ada.subject).exists()
    assert not storages["photos"].exists(photo)
    assert Client().get(f"/people/{handle}/").status_code == 404
    assert storages["photos"].exists(profile_of(eve).photo)
    evidence = evaluate(control=declared()["retention.lasting"], now=timezone.now())
    assert (evidence.outcome, evidence.violation_ids) == ("kept", [])
    set_profile(ada, values={"about": "Here again."}, now=timezone.now())
    assert profile_of(ada).handle != handle


# The control ------------------------------------------------------------------------------------


def test_control_tries_every_field_that_the_policy_asks_for(wecustomers: PolicyVersion) -> None:
    before = dump()
    evidence = evaluate(control=declared()["accounts.corrections"], now=timezone.now())
    assert (evidence.outcome, evidence.violation_ids) == ("kept", [])
    tried = [f"{h.key}.{p.name}" for h, p in control._correctable(timezone.now())]
    assert evidence.checked == len(tried)
    assert {
        "accounts.account.email",
        "accounts.account.first_name",
        "accounts.account.last_name",
        "accounts.age.born_on",
    } <= set(tried)
    after = dump()
    assert {table for table in after if after[table] != before[table]} == {"audit_evidence"}


@pytest.mark.parametrize("site", ["clickandchat", "weapp", "weinterrupt", "wespro"])
def test_control_is_kept_under_every_policy(
    policy_of: Callable[[str], PolicyVersion], site: str
) -> None:
    policy_of(site)
    evidence = evaluate(control=declared()["accounts.corrections"], now=timezone.now())
    assert (evidence.outcome, evidence.violation_ids) == ("kept", [])
    assert evidence.checked >= 1


def _not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrections, "_changed", lambda *args: {})


def _without_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correctable, "_takes", lambda *args: False)


def _served_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    real = correctable._shown

    def stale(row: Any, personal: Any) -> Any:
        value = real(row, personal)
        return "Probe" if personal.name.endswith("_name") else value

    monkeypatch.setattr(correctable, "_shown", stale)


@pytest.mark.parametrize(
    ("breach", "reason"),
    [
        (_not_written, "the old value is still stored"),
        (_without_its_page, "the page has no form for it"),
        (_served_stale, "the page shows another value"),
    ],
)
def test_violation_names_that_cannot_be_corrected(
    wecustomers: PolicyVersion,
    monkeypatch: pytest.MonkeyPatch,
    breach: Callable[[pytest.MonkeyPatch], None],
    reason: str,
) -> None:
    breach(monkeypatch)
    found = control.corrections(timezone.now()).violations
    assert found == (
        f"accounts.account.first_name: {reason}",
        f"accounts.account.last_name: {reason}",
    )


def test_violation_a_birth_date_that_is_not_learnt(
    wecustomers: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        birth_date, "learn_birth_date", lambda **told: Learned(child=False, minor=False)
    )
    found = control.corrections(timezone.now()).violations
    assert found == ("accounts.age.born_on: the old value is still stored",)


def test_violation_an_address_without_a_mail_to_prove_it(
    wecustomers: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AccountAdapter, "send_mail", lambda *args, **kwargs: None)
    found = control.corrections(timezone.now()).violations
    assert found == ("accounts.account.email: no mail to prove the address",)
