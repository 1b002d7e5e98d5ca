"""Choices for programs: nobody agrees to words they have not seen, and everybody may say no."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts import keys
from accounts.models import User
from audit.models import AuditEntry
from consent import ledger
from consent.models import Choice, Event
from consent.options import options
from datamap.models import Subject
from policy.models import PolicyVersion
from requests.models import Request
from tests.factories.accounts import member, minor
from tests.factories.api import caller, made, put, with_key
from tests.factories.consent import CATEGORY, TRANSFER, decided
from tests.factories.policy import edited, publish_bytes, relabelled

ALL = "/api/v1/me/choices/"
NEWS = f"{ALL}mail/{CATEGORY}/"
MOVE = f"{ALL}transfer/{TRANSFER}/"


@pytest.fixture(autouse=True)
def no_counts() -> None:
    cache.clear()


@pytest.fixture
def user(wecustomers: PolicyVersion) -> User:
    return member()


@pytest.fixture
def program(user: User) -> Client:
    return caller(user, "choices:read", "choices:write")


def digest(program: Client, address: str = NEWS) -> str:
    found: str = program.get(address).json()["words"]["digest"]
    return found


def test_everything_there_is_to_choose_is_listed(
    wecustomers: PolicyVersion, program: Client
) -> None:
    answer = program.get(ALL).json()
    assert answer["policy_digest"] == wecustomers.digest
    offered = options(wecustomers.document)
    assert [(c["kind"], c["key"]) for c in answer["results"]] == [
        (str(o.kind), o.key) for o in offered
    ]
    assert [c["words"]["text"] for c in answer["results"]] == [o.words for o in offered]
    one = program.get(NEWS)
    assert one.json() in answer["results"]
    assert one["Cache-Control"] == "private, no-store"


def test_decision_made_elsewhere_shows(user: User, program: Client) -> None:
    event = decided(user.subject, "refused", now=timezone.now())
    answer = program.get(NEWS).json()
    assert answer["on"] is False
    assert answer["decided"] == {
        "decision": "refused",
        "since": event.at.isoformat().replace("+00:00", "Z"),
        "policy_digest": event.policy_digest,
        "channel": "web",
        "words_digest": event.words_id,
    }


def test_yes_is_stored_with_the_words_that_were_handed_out(
    wecustomers: PolicyVersion, user: User, program: Client
) -> None:
    decided(user.subject, "refused")
    words = program.get(NEWS).json()["words"]
    answer = put(program, NEWS, {"on": True, "words_digest": words["digest"]})
    assert (answer.status_code, answer.json()["on"]) == (200, True)
    event = Event.objects.filter(kind="mail", key=CATEGORY).latest("at")
    assert (event.decision, event.surface, event.channel) == ("given", "api", "api")
    assert (event.words.text, event.words_id, event.locale) == (
        words["text"],
        words["digest"],
        "en",
    )
    assert event.policy_digest == wecustomers.digest
    key = user.api_keys.get()
    assert event.evidence == f"accounts.apikey:{key.pk}"
    entry = AuditEntry.objects.get(object_id=str(event.pk))
    assert (entry.verb, entry.actor_id) == ("consent.given", user.subject_id)


@pytest.mark.parametrize("sent", [{}, {"words_digest": None}, {"words_digest": "0" * 64}])
def test_yes_to_unseen_words_is_refused(user: User, program: Client, sent: dict[str, Any]) -> None:
    decided(user.subject, "refused")
    before = Event.objects.count()
    answer = put(program, NEWS, {"on": True, **sent})
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("/api/docs/#words-changed")
    assert answer.json()["words"] == program.get(NEWS).json()["words"]
    assert Event.objects.count() == before


def test_yes_to_words_that_changed_meanwhile_is_refused(
    wecustomers: PolicyVersion, user: User, program: Client
) -> None:
    decided(user.subject, "refused")
    seen = digest(program)
    category = wecustomers.document.mail_category(CATEGORY)
    assert category is not None
    text = f'text = "{category.text}"'
    changed = edited("policies/wecustomers.toml", (text, 'text = "Much more mail than before."'))
    publish_bytes(relabelled(changed, "2"), now=timezone.now() - timedelta(days=400))
    answer = put(program, NEWS, {"on": True, "words_digest": seen})
    assert answer.status_code == 409
    assert "Much more mail" in answer.json()["words"]["text"]
    fresh = answer.json()["words"]["digest"]
    assert put(program, NEWS, {"on": True, "words_digest": fresh}).status_code == 200


def test_no_is_taken_whatever_words_were_seen(user: User, program: Client) -> None:
    for sent in ({}, {"words_digest": "0" * 64}):
        decided(user.subject, "given", now=timezone.now())
        answer = put(program, NEWS, {"on": False, **sent})
        assert (answer.status_code, answer.json()["on"]) == (200, False)
        event = Event.objects.filter(kind="mail").latest("at")
        assert (event.decision, event.words.text) == ("withdrawn", '{"on": false}')
    decided(user.subject, "given", now=timezone.now() + timedelta(seconds=1))
    put(program, NEWS, {"on": False, "words_digest": digest(program)})
    event = Event.objects.filter(kind="mail").latest("at")
    assert (event.decision, event.words_id) == ("withdrawn", digest(program))


def test_same_decision_twice_is_one(user: User, program: Client) -> None:
    body = {"on": True, "words_digest": digest(program)}
    first = put(program, NEWS, body).json()
    count = Event.objects.count()
    assert put(program, NEWS, body).json() == first
    assert Event.objects.count() == count


def test_locked_out_yes_and_possible_no(user: User, program: Client) -> None:
    decided(user.subject, "given", now=timezone.now())
    Subject.objects.filter(pk=user.subject_id).update(restricted=True)
    body = {"on": True, "words_digest": digest(program)}
    count = Event.objects.count()
    answer = put(program, NEWS, body)
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("#account-restricted")
    assert Event.objects.count() == count
    assert put(program, NEWS, {"on": False}).status_code == 200


def test_no_key_decides_about_the_whole_account(user: User, program: Client) -> None:
    shown = program.get(MOVE).json()
    assert shown["decide_on_the_site"].endswith("/privacy/choices/")
    assert shown["on"] is True
    before = Choice.objects.count(), Event.objects.count()
    for body in ({"on": False}, {"on": True, "words_digest": shown["words"]["digest"]}):
        answer = put(program, MOVE, body)
        assert answer.status_code == 403
        assert answer.json()["url"] == shown["decide_on_the_site"]
    assert (Choice.objects.count(), Event.objects.count()) == before
    assert Request.objects.count() == 0


def test_minor_has_nothing_on_without_a_yes(wecustomers: PolicyVersion) -> None:
    young, grown = minor(), member()
    for person in (young, grown):
        Choice.objects.filter(subject=person.subject, kind="mail").delete()
    opted_out = [c["on"] for c in caller(young).get(ALL).json()["results"] if c["decided"] is None]
    assert not any(opted_out)
    grown_up = {(c["kind"], c["key"]): c["on"] for c in caller(grown).get(ALL).json()["results"]}
    for each in options(wecustomers.document):
        if each.on_without_choice:
            assert grown_up[str(each.kind), each.key]


@pytest.mark.parametrize(
    "address", ["mail/unknown/", "policy/service-news/", "x/y/", "mail/service-news/x/"]
)
def test_what_is_not_offered_is_not_there(program: Client, address: str) -> None:
    assert program.get(ALL + address).status_code == 404
    assert put(program, ALL + address, {"on": False}).status_code == 404
    assert program.get(f"{ALL}{address}history/").status_code == 404


def test_history_tells_every_decision_in_pages(
    user: User, program: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = timezone.now()
    for number in range(5):
        decision = "withdrawn" if number % 2 else "given"
        decided(user.subject, decision, text=f"May we, {number}?", now=start + timedelta(number))
    decided(member().subject, "refused", text="Another person's", now=start)
    monkeypatch.setattr("audit.api.PER_PAGE", 2)
    address, told = f"{NEWS}history/", []
    while address:
        page = program.get(address).json()
        told += [each["words"]["text"] for each in page["results"]]
        address = (page["next"] or "").partition("localhost:8000")[2]
    assert told[:5] == [f"May we, {number}?" for number in (4, 3, 2, 1, 0)]
    assert told == [
        e.words.text for e in ledger.history(user.subject_id, kind="mail", key=CATEGORY)
    ]


def test_one_persons_cursor_is_nothing_to_another_list(
    user: User, program: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        decided(user.subject, "withdrawn" if number % 2 else "given", now=timezone.now())
    monkeypatch.setattr("audit.api.PER_PAGE", 1)
    cursor = program.get(f"{NEWS}history/").json()["next"].partition("cursor=")[2]
    answer = program.get(f"{MOVE}history/?cursor={cursor}")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "?cursor")


def test_list_costs_the_same_with_and_without_decisions(
    user: User, django_assert_num_queries: Any
) -> None:
    key = made(user, "choices:read")
    keys.note_use(key=key.key, now=timezone.now())
    program = with_key(key.text)
    program.get(ALL)
    for decisions in range(3):
        with django_assert_num_queries(3):  # the key, the subject, the choices
            program.get(ALL)
        decided(user.subject, "withdrawn" if decisions % 2 else "given", now=timezone.now())
