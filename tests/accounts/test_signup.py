"""The way to an account, as a browser walks it."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.contrib.auth import hashers
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AgeVerdict, Session, User
from accounts.registration import TransferDeclined, confirm_address, register
from audit.log import SYSTEM, person
from audit.models import AuditEntry
from consent import ledger
from consent.ledger import Shown
from consent.letter import Letter
from consent.models import Event, Message
from datamap.models import Subject
from policy import current
from policy.models import PolicyVersion
from tests.accounts.dump import dump
from tests.factories.accounts import BORN, JOINED, PASSWORD, application, log_in, member
from tests.factories.policy import edited, publish_bytes, relabelled

AGE, ADVICE, SIGNUP = "/accounts/age/", "/accounts/age/advice/", "/accounts/signup/"
SENT = reverse("account_email_verification_sent")
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def fresh_rate_limits() -> None:
    cache.clear()


@pytest.fixture(autouse=True)
def clock() -> Any:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def entered(born: date) -> dict[str, str]:
    return {"day": str(born.day), "month": str(born.month), "year": str(born.year)}


def form(**changes: str) -> dict[str, str]:
    filled = {
        "first_name": "Robin",
        "last_name": "Example",
        "email": "robin@example.com",
        "password": PASSWORD,
        "transfer-united-states": "yes",
    }
    return {**filled, **changes}


def letter_of(message: Message) -> Letter:
    assert message.sealed is not None
    return Letter.unseal(bytes(message.sealed))


def test_an_adult_gets_an_account_with_everything_it_rests_on(
    wecustomers: PolicyVersion, client: Client, clock: Any
) -> None:
    assert client.get(SIGNUP)["Location"] == AGE
    assert client.post(AGE, entered(BORN))["Location"] == SIGNUP
    clock.shift(timedelta(minutes=2))
    response = client.post(SIGNUP, form(**{"mail-service-news": "on"}))
    assert (response.status_code, response["Location"]) == (302, SENT)
    assert client.get(SENT).status_code == 200
    joined = NOW + timedelta(minutes=2)
    user = User.objects.get()
    assert (user.email, user.first_name, user.date_joined, user.unconfirmed_since) == (
        "robin@example.com",
        "Robin",
        joined,
        joined,
    )
    verdict = AgeVerdict.objects.get()
    assert (verdict.born_on, verdict.passed_at, verdict.youngest, verdict.minor) == (
        BORN,
        NOW,
        13,
        False,
    )
    events = Event.objects.order_by("at", "kind").values_list("kind", "key", "decision", "at")
    assert sorted(events) == [
        ("collection", "age-screen", "submitted", NOW),
        ("collection", "signup", "submitted", joined),
        ("mail", "service-news", "refused", joined),
        ("transfer", "united-states", "given", joined),
    ]
    asked = Event.objects.get(kind="transfer").words.text
    transfer = wecustomers.document.transfer("united-states")
    assert transfer is not None
    refusing = f"If you say no, this is our answer: “{transfer.declined}”"
    assert asked == f"{transfer.title}\n{transfer.ask}\n{refusing}"
    assert AuditEntry.objects.filter(verb="accounts.created").count() == 1
    assert user.subject.email is None
    assert Session.objects.count() == 0


def test_the_mailed_link_confirms_and_the_person_can_log_in(
    wecustomers: PolicyVersion, client: Client
) -> None:
    client.post(AGE, entered(BORN))
    client.post(SIGNUP, form())
    letter = letter_of(Message.objects.get())
    assert letter.recipient == "robin@example.com"
    link = re.search(r"http://localhost:8000(/accounts/confirm-email/\S+)", letter.body)
    assert link is not None
    assert client.get(link[1]).status_code == 200
    assert User.objects.get().unconfirmed_since is not None
    assert client.post(link[1]).status_code == 302
    user = User.objects.get()
    assert (user.unconfirmed_since, user.subject.email) == (None, "robin@example.com")
    assert Event.objects.filter(kind="transfer", decision="given").count() == 1
    log_in(client, user)
    assert client.get("/privacy/devices/").status_code == 200
    assert client.get(AGE)["Location"] == "/privacy/"
    assert client.get(SIGNUP)["Location"] == "/privacy/"


def test_before_confirmation_nobody_gets_in(wecustomers: PolicyVersion, client: Client) -> None:
    user = member(confirmed=False)
    response = client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert response["Location"] == SENT
    assert client.get("/privacy/devices/").status_code == 302
    assert Session.objects.get().user_id == user.pk


def test_the_age_question_gives_no_hint(wecustomers: PolicyVersion, client: Client) -> None:
    page = client.get(AGE).content.decode()
    main = page[page.index("<main") : page.index("</main>")]
    text = re.sub(r"<[^>]*>", " ", main)
    assert not re.search(r"\d|thirteen|eighteen|old enough|under|years", text)
    inputs = re.findall(r"<input[^>]*>", main)
    shown = [field for field in inputs if 'type="hidden"' not in field]
    assert len(shown) == 3
    assert [" value=" in field for field in shown] == [False] * 3
    assert re.findall(r'autocomplete="([^"]+)"', main) == ["bday-day", "bday-month", "bday-year"]


def test_a_refused_child_leaves_the_database_as_it_was(
    wecustomers: PolicyVersion, client: Client
) -> None:
    before = dump()
    client.get(AGE)
    response = client.post(AGE, entered(date(2014, 1, 1)))
    assert response.status_code == 403
    for page in (AGE, ADVICE, SIGNUP):
        assert client.get(page).status_code == 403
    assert client.post(AGE, entered(BORN)).status_code == 403
    assert client.post(SIGNUP, form()).status_code == 403
    assert dump() == before
    block = client.cookies["age-block"]
    assert (block["max-age"], block["expires"], block["httponly"]) == ("", "", True)
    assert "2014" not in block.value
    assert client.cookies["age-pass"].value == ""


def test_another_browser_may_try(wecustomers: PolicyVersion, client: Client) -> None:
    client.post(AGE, entered(date(2014, 1, 1)))
    assert Client().post(AGE, entered(BORN)).status_code == 302


@pytest.mark.parametrize(("born", "status"), [(date(2013, 3, 2), 302), (date(2013, 3, 3), 403)])
def test_the_limit_is_the_birthday(
    wecustomers: PolicyVersion, client: Client, born: date, status: int
) -> None:
    assert client.post(AGE, entered(born)).status_code == status


def test_another_policy_draws_another_line(clickandchat: PolicyVersion, client: Client) -> None:
    assert client.post(AGE, entered(date(2009, 1, 1))).status_code == 403


def test_a_minor_sees_the_advice_before_the_form(
    wecustomers: PolicyVersion, client: Client, clock: Any
) -> None:
    assert client.post(AGE, entered(date(2011, 6, 1)))["Location"] == ADVICE
    assert client.get(SIGNUP)["Location"] == ADVICE
    assert client.post(SIGNUP, form())["Location"] == ADVICE
    clock.shift(timedelta(minutes=1))
    advice = wecustomers.document.age.minors_advice
    assert advice is not None
    assert advice in client.get(ADVICE).content.decode()
    clock.shift(timedelta(minutes=1))
    client.get(ADVICE)
    page = client.get(SIGNUP).content.decode()
    assert "Send me this: News" in page
    assert client.post(SIGNUP, form())["Location"] == SENT
    user = User.objects.get()
    event = Event.objects.get(kind="notice")
    assert (event.key, event.decision, event.at) == (
        "minors-advice",
        "shown",
        NOW + timedelta(minutes=1),
    )
    assert event.at < user.date_joined
    assert event.words.text == advice
    assert user.subject.minor is True


def test_without_a_youngest_age_there_is_no_screen(policy_of: Any, client: Client) -> None:
    policy_of("wespro")
    assert client.get(AGE)["Location"] == SIGNUP
    page = client.get(SIGNUP)
    assert page.status_code == 200
    fields = dict.fromkeys(page.context["form"].fields, "yes")
    response = client.post(SIGNUP, {**form(), **{k: v for k, v in fields.items() if "-" in k}})
    assert response["Location"] == SENT
    assert AgeVerdict.objects.count() == 0


def test_a_changed_policy_asks_again_and_judges_anew(
    wecustomers: PolicyVersion, client: Client, clock: Any
) -> None:
    stricter = edited("policies/wecustomers.toml", ("youngest = 13", "youngest = 18"))
    notice = timedelta(days=30)
    publish_bytes(relabelled(stricter, "stricter"), now=NOW + timedelta(minutes=1) - notice)
    client.post(AGE, entered(BORN))
    teen = Client()
    teen.post(AGE, entered(date(2011, 6, 1)))
    teen.get(ADVICE)
    assert teen.get(SIGNUP).status_code == 200
    clock.shift(timedelta(minutes=1))
    assert client.get(SIGNUP)["Location"] == AGE
    assert client.post(SIGNUP, form())["Location"] == AGE
    assert teen.post(SIGNUP, form()).status_code == 403
    assert teen.get(AGE).status_code == 403
    assert User.objects.count() == 0


def test_an_old_pass_goes_back_to_the_screen(
    wecustomers: PolicyVersion, client: Client, clock: Any
) -> None:
    client.post(AGE, entered(BORN))
    clock.shift(timedelta(minutes=30))
    assert client.post(SIGNUP, form())["Location"] == AGE


@pytest.mark.parametrize("token", ["", "x", "\x00", "é", "a" * 3000])
def test_a_forged_step_goes_back_to_the_screen(
    wecustomers: PolicyVersion, client: Client, token: str
) -> None:
    client.cookies["age-pass"] = token
    for page in (SIGNUP, ADVICE):
        assert client.get(page).status_code == 302
    before = dump()
    assert client.post(SIGNUP, form())["Location"] == AGE
    assert dump() == before


def test_a_forged_block_is_believed(wecustomers: PolicyVersion, client: Client) -> None:
    client.cookies["age-block"] = "1:nonsense"
    assert client.get(AGE).status_code == 403


def test_declining_the_transfer_shows_its_result_and_stores_nothing(
    wecustomers: PolicyVersion, client: Client
) -> None:
    client.post(AGE, entered(BORN))
    before = dump()
    response = client.post(SIGNUP, form(**{"transfer-united-states": "no"}))
    transfer = wecustomers.document.transfer("united-states")
    assert transfer is not None
    assert response.status_code == 200
    assert transfer.declined.split(".")[0].replace("'", "&#x27;") in response.content.decode()
    assert dump() == before


def test_the_transfer_is_asked_with_nothing_chosen(
    wecustomers: PolicyVersion, client: Client
) -> None:
    client.post(AGE, entered(BORN))
    page = client.get(SIGNUP).content.decode()
    assert page.count('name="transfer-united-states"') == 2
    assert " checked" not in page
    response = client.post(SIGNUP, {k: v for k, v in form().items() if "transfer" not in k})
    assert response.status_code == 200
    assert list(response.context["form"].errors) == ["transfer-united-states"]
    assert User.objects.count() == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("first_name", ""),
        ("first_name", "a\x00b"),
        ("first_name", "x" * 200_000),
        ("last_name", "line\nbreak"),
        ("email", "no address"),
        ("email", "a@b@"),
        ("email", "a\x00@example.com"),
        ("email", "x" * 200_000 + "@example.com"),
        ("email", "two@example.com,three@example.com"),
        ("password", "fourteen chars"),
        ("password", "a\x00" * 20),
        ("password", "p" * 200_000),
        ("password", "passwordpassword1"[:14]),
        ("transfer-united-states", "perhaps"),
    ],
)
def test_bad_input_names_its_field_and_changes_nothing(
    wecustomers: PolicyVersion, client: Client, field: str, value: str
) -> None:
    client.post(AGE, entered(BORN))
    before = dump()
    response = client.post(SIGNUP, form(**{field: value}))
    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]
    assert dump() == before


def test_a_megabyte_is_refused_without_an_error_page(
    wecustomers: PolicyVersion, client: Client
) -> None:
    client.post(AGE, entered(BORN))
    assert client.post(SIGNUP, form(first_name="x" * 1_100_000)).status_code == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [("day", "x" * 500_000), ("day", "\x00"), ("month", "٣"), ("year", "💥"), ("year", "1e3")],
)
def test_bad_birth_dates_name_their_field(
    wecustomers: PolicyVersion, client: Client, field: str, value: str
) -> None:
    response = client.post(AGE, {**entered(BORN), field: value})
    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Robin+News@Example.COM", "robin+news@example.com"),
        ("  robin@example.com ", "robin@example.com"),
        ("robin@münchen.example", "robin@xn--mnchen-3ya.example"),
        ('"robin.example"@example.com', '"robin.example"@example.com'),
    ],
)
def test_odd_addresses_work_from_sign_up_to_log_in(
    wecustomers: PolicyVersion, client: Client, typed: str, stored: str
) -> None:
    client.post(AGE, entered(BORN))
    assert client.post(SIGNUP, form(email=typed)).status_code == 302
    user = User.objects.get()
    assert user.email == stored
    assert confirm_address(email_address=EmailAddress.objects.get(), now=NOW)
    response = client.post("/accounts/login/", {"login": typed.upper(), "password": PASSWORD})
    assert (response.status_code, response.headers.get("Location")) == (302, "/privacy/")
    assert EmailAddress.objects.count() == 1


def test_names_may_hold_anything_people_are_called(
    wecustomers: PolicyVersion, client: Client
) -> None:
    client.post(AGE, entered(BORN))
    client.post(SIGNUP, form(first_name="<b>Zoë 🦋</b>", last_name="O'Neill-Żółć"))
    user = User.objects.get()
    assert user.get_full_name() == "<b>Zoë 🦋</b> O'Neill-Żółć"


def _observed(client: Client, email: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """All that somebody at the form can see or measure of one sign-up."""
    hashes: list[str] = []
    real = hashers.Argon2PasswordHasher.encode

    def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        hashes.append("x")
        return real(self, *args, **kwargs)

    client.post(AGE, entered(BORN))
    monkeypatch.setattr(hashers.Argon2PasswordHasher, "encode", counting)
    with CaptureQueriesContext(connection) as queries:
        response = client.post(SIGNUP, form(email=email))
    monkeypatch.undo()
    sent = client.get(SENT)
    return {
        "status": response.status_code,
        "location": response["Location"],
        "body": response.content,
        "cookies": sorted(response.cookies),
        "queries": len(queries),
        "hashes": len(hashes),
        "mails": Message.objects.count(),
        "page": re.sub(rb'value="[^"]{64}"', b"", sent.content),
    }


@pytest.mark.parametrize("confirmed", [True, False])
def test_a_known_address_looks_exactly_like_a_new_one(
    wecustomers: PolicyVersion, monkeypatch: pytest.MonkeyPatch, confirmed: bool
) -> None:
    owner = member(email="known@example.com", confirmed=confirmed)
    known = _observed(Client(), "Known@example.com", monkeypatch)
    known_mail = Message.objects.get()
    Message.objects.all().delete()
    new = _observed(Client(), "new@example.com", monkeypatch)
    assert known == new
    assert known["hashes"] == 1
    letter = letter_of(known_mail)
    assert (letter.recipient, known_mail.subject_id) == ("known@example.com", owner.subject_id)
    assert "/accounts/password/reset/" in letter.body
    assert User.objects.count() == 2
    assert Subject.objects.count() == 2


def test_a_known_address_changes_nothing_but_the_mail(
    wecustomers: PolicyVersion, client: Client
) -> None:
    member(email="known@example.com")
    client.post(AGE, entered(BORN))
    before = dump()
    client.post(SIGNUP, form(email="known@example.com"))
    after = dump()
    changed = {table for table in after if after[table] != before[table]}
    assert changed == {"consent_message"}


def test_the_owner_is_not_flooded(wecustomers: PolicyVersion) -> None:
    member(email="known@example.com")
    for _ in range(3):
        client = Client()
        client.post(AGE, entered(BORN))
        assert client.post(SIGNUP, form(email="known@example.com"))["Location"] == SENT
    assert Message.objects.count() == 1


def test_sign_ups_are_rate_limited(wecustomers: PolicyVersion, client: Client) -> None:
    client.post(AGE, entered(BORN))
    answers = [client.post(SIGNUP, {}).status_code for _ in range(21)]
    assert answers == [200] * 20 + [429]


def test_without_a_policy_the_door_is_closed_kindly(db: None, client: Client) -> None:
    assert [client.get(page).status_code for page in (AGE, SIGNUP)] == [503, 503]


def test_pages_are_never_stored(wecustomers: PolicyVersion, client: Client) -> None:
    assert client.get(AGE)["Cache-Control"] == "private, no-store"
    client.post(AGE, entered(BORN))
    assert client.get(SIGNUP)["Cache-Control"] == "private, no-store"


def test_query_counts_of_the_steps(
    wecustomers: PolicyVersion, client: Client, django_assert_num_queries: Any
) -> None:
    client.get(AGE)
    with django_assert_num_queries(0):
        client.get(AGE)
        client.post(AGE, entered(BORN))
        client.get(SIGNUP)


def test_confirming_takes_the_address_over_from_somebody_without_an_account(
    wecustomers: PolicyVersion,
) -> None:
    other = Subject.objects.create(email="robin@example.com", created_at=NOW)
    ledger.say_no(
        subject_id=other.pk,
        kind="mail",
        key="service-news",
        shown=Shown("No more news", surface="unsubscribe"),
        actor=person(other.pk),
        now=NOW,
    )
    user = member(email="robin@example.com")
    assert user.subject.email == "robin@example.com"
    other.refresh_from_db()
    assert other.email is None
    choice = ledger.standing(user.subject_id)[("mail", "service-news")]
    assert (choice.decision, choice.event.words.text) == ("refused", "No more news")


def test_a_locked_holder_of_the_address_stops_confirmation(wecustomers: PolicyVersion) -> None:
    Subject.objects.create(email="robin@example.com", created_at=NOW, locked=True)
    user = member(email="robin@example.com", confirmed=False)
    address = EmailAddress.objects.get(user=user)
    assert confirm_address(email_address=address, now=NOW) is False
    assert User.objects.get().unconfirmed_since == JOINED


def test_an_actor_is_written_down(wecustomers: PolicyVersion) -> None:
    user = member()
    entry = AuditEntry.objects.get(verb="accounts.created")
    assert (entry.actor_kind, entry.actor_id) == ("person", user.subject_id)
    assert entry.facts == {"policy": current.in_force().digest, "minor": False}
    assert SYSTEM.id is None


def test_handing_over_leaves_out_what_the_policy_no_longer_offers(
    wecustomers: PolicyVersion,
) -> None:
    other = Subject.objects.create(email="robin@example.com", created_at=NOW)
    ledger.say_no(
        subject_id=other.pk,
        kind="mail",
        key="service-news",
        shown=Shown("No more news", surface="unsubscribe"),
        actor=person(other.pk),
        now=NOW - timedelta(days=40),
    )
    category = '[[mail_categories]]\nkey = "service-news"'
    other_key = category.replace("service", "other")
    renamed = edited("policies/wecustomers.toml", (category, other_key))
    publish_bytes(relabelled(renamed, "renamed"), now=NOW - timedelta(days=35))
    user = member(email="robin@example.com", now=NOW)
    assert user.subject.email == "robin@example.com"
    assert ("mail", "service-news") not in ledger.standing(user.subject_id)


def test_no_account_without_the_transfer_whatever_the_form_let_through(
    wecustomers: PolicyVersion,
) -> None:
    with pytest.raises(TransferDeclined) as declined:
        register(application=application(now=NOW, transfers={}), now=NOW)
    assert declined.value.key == "united-states"
    assert (User.objects.count(), Subject.objects.count(), Message.objects.count()) == (0, 0, 0)


@pytest.mark.django_db(transaction=True)
def test_two_at_once_with_one_address_make_one_account(wecustomers: PolicyVersion) -> None:
    def sign_up(_number: int) -> None:
        try:
            register(application=application(email="robin@example.com", now=NOW), now=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(sign_up, range(4)))
    user = User.objects.get()
    assert Subject.objects.count() == 1
    templates = Message.objects.values_list("template", "subject_id").order_by("template")
    assert list(templates) == [
        *[("account_account_already_exists", user.subject_id)] * 3,
        ("account_email_confirmation_signup", user.subject_id),
    ]
