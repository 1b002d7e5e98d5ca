"""Every door refuses what is never stored, and the tables are searched for it all the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client

from accounts.controls import categories, never_stored, tables
from accounts.models import ApiKey, PaymentToken, Session
from audit.control import controls, evaluate
from audit.models import Evidence
from datamap.encryption import encrypt
from policy.models import PolicyVersion
from policy.vocabulary import CATEGORIES
from retention.models import ChildCase
from tests.accounts.dump import dump
from tests.config.every_page import PAGES, browser_of, plant
from tests.factories.accounts import member, reauthenticated
from tests.factories.api import caller, made
from tests.factories.payments import CARD_NUMBERS, NOW, kept_card

CARD, CODE = "4111 1111 1111 1111", "my CVV is 737"
PLANTED = ("4111 1111", "41111111", "CVV is 737", "Zzyzxowicz")
KEYS = ("accounts.sealed", "accounts.never-stored", "accounts.categories")


@pytest.fixture(autouse=True)
def no_counts(settings: Any) -> None:
    cache.clear()
    settings.KEPT_API_CALLS_PER_KEY = settings.KEPT_API_CALLS_PER_ADDRESS = 0


class Forms(HTMLParser):
    """The forms of a page: where they go, and what a person would fill in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []
        self._open: dict[str, Any] | None = None
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = {"action": a.get("action", ""), "data": {}, "text": []}
            if a.get("method") == "post":
                self.found.append(self._open)
        elif self._open is None or not a.get("name", self._select):
            return
        elif tag == "textarea" or (tag == "input" and a.get("type", "text") in TEXT_INPUTS):
            self._open["text"].append((a["name"], a.get("type", "")))
        elif tag == "select":
            self._select = a["name"]
        elif tag == "option" and self._select:
            if a.get("value"):
                self._open["data"].setdefault(self._select, a["value"])
        elif tag in ("input", "button") and a.get("type") not in ("file",):
            self._open["data"].setdefault(a["name"], a.get("value", "on"))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "select":
            self._select = ""


TEXT_INPUTS = ("text", "email", "search", "tel", "url", "password", "number", "datetime-local")


def doors() -> Iterator[tuple[Client, str, dict[str, Any]]]:
    """Every form with a text field on every page, with each forbidden text in every text field."""
    world = plant()
    browsers = {}
    for who in sorted({who for line in PAGES.values() for who in line.by}):
        cache.clear()
        browsers[who] = browser_of(who, world)
    for name, line in PAGES.items():
        for who in line.by:
            cache.clear()
            client, path = browsers[who], line.path(name, world)
            page = client.get(path, follow=True)
            for form in Forms(page.content.decode()).found:
                for text in (CARD, CODE, "mother's maiden name: Zzyzxowicz"):
                    if form["text"]:
                        target = form["action"] or page.request["PATH_INFO"]
                        yield client, target, {**form["data"], **dict(filled(form, text))}


def filled(form: dict[str, Any], text: str) -> Iterator[tuple[str, str]]:
    for name, kind in form["text"]:
        yield name, f"{CARD.replace(' ', '')}@example.com" if kind == "email" else text


def everything_stored() -> str:
    """All tables as text, sessions unpacked."""
    sessions = [json.dumps(s.get_decoded(), default=str) for s in Session.objects.all()]
    return "\n".join([*(row for rows in dump().values() for row in rows), *sessions])


def planted_in(stored: str) -> list[str]:
    """What was planted and is there, each with a little of what stands around it."""
    found = (re.search(rf".{{0,60}}{re.escape(planted)}", stored) for planted in PLANTED)
    return [match[0] for match in found if match]


@pytest.mark.slow
def test_no_form_of_any_page_stores_it(wecustomers: PolicyVersion) -> None:
    tried = 0
    for client, target, data in doors():
        cache.clear()
        client.raise_request_exception = False
        answer = client.post(target, data)
        assert answer.status_code < 500, target
        tried += 1
    assert tried > 100
    assert planted_in(everything_stored()) == []


def test_no_call_of_the_api_stores_it(wecustomers: PolicyVersion) -> None:
    program = caller(member())
    address = "/api/v1/me/choices/mail/service-news/"
    for body, pointer in (
        ({"on": True, "words_digest": CARD}, "/words_digest"),
        ({"on": CARD}, "/on"),
        ({"cvv": "737"}, "/cvv"),
        ({"card": {"number": 4111111111111111}}, "/card/number"),
        ({"mothers_maiden_name": "Zzyzxowicz"}, "/mothers_maiden_name"),
    ):
        answer = program.put(address, body, content_type="application/json")
        assert answer.status_code == 400
        assert [e["pointer"] for e in answer.json()["errors"]] == [pointer]
        assert "4111" not in answer.content.decode()
    assert planted_in(everything_stored()) == []


def test_refused_field_is_named_beside_it(wecustomers: PolicyVersion) -> None:
    client = reauthenticated(Client(), member())
    form = {"name": CARD, "scopes": ["choices:read"], "days": "90"}
    response = client.post("/privacy/api-keys/", form)
    assert list(response.context["form"].errors) == ["name"]
    assert "a full card number" in response.content.decode()
    assert ApiKey.objects.count() == 0


@pytest.mark.parametrize("key", KEYS)
def test_site_that_keeps_its_promise_is_said_to(clickandchat: PolicyVersion, key: str) -> None:
    user = member()
    kept_card(user)
    made(user)
    evidence = evaluate(control=controls()[key], now=NOW)
    assert (evidence.outcome, evidence.violation_ids) == (Evidence.Outcome.KEPT, [])
    assert evidence.checked > 100


@pytest.mark.parametrize("number", CARD_NUMBERS)
@pytest.mark.parametrize("written", ["{}", "pay with {} today", "Visa{}", '{{"n": "{}"}}'])
def test_card_number_in_any_text_is_reported_as_a_violation(
    clickandchat: PolicyVersion, number: str, written: str
) -> None:
    key = made(member()).key
    ApiKey.objects.filter(pk=key.pk).update(name=written.format(number)[:60])
    assert never_stored.sealed(NOW).violations == (f"accounts_apikey.name:{key.pk}",)


@pytest.mark.parametrize(
    "written", ["4111 1111 1111 1111", "4111-1111-1111-1111 x", "x 3782-822463-10005"]
)
def test_grouped_number_in_json_is_reported_as_a_violation(
    clickandchat: PolicyVersion, written: str
) -> None:
    key = made(member()).key
    ApiKey.objects.filter(pk=key.pk).update(scopes=["choices:read", written])
    finding = never_stored.sealed(NOW)
    assert finding.violations == (f"accounts_apikey.scopes:{key.pk}",)
    assert not any(digits in str(finding) for digits in ("4111", "3782"))


@pytest.mark.parametrize("written", ["4111111111111112", "+4917112345678", "1" * 16, "4" * 32])
def test_other_numbers_are_no_violation(clickandchat: PolicyVersion, written: str) -> None:
    key = made(member()).key
    ApiKey.objects.filter(pk=key.pk).update(name=written)
    assert never_stored.sealed(NOW).violations == ()


def test_clear_text_in_a_sealed_column_is_reported_as_a_violation(
    clickandchat: PolicyVersion,
) -> None:
    card, other = kept_card(member()), kept_card(member())
    type(card).objects.filter(pk=card.pk).update(last_four=b"4242")
    PaymentToken.objects.filter(card=other).update(sealed=b"tok_9f8e7d6c5b4a")
    assert set(never_stored.sealed(NOW).violations) == {
        f"accounts.payment_card.last_four:{card.pk}",
        f"accounts.payment_token.sealed:{other.pk}",
    }


def test_runtime_role_can_check_what_it_cannot_read(
    clickandchat: PolicyVersion, runtime_role: str
) -> None:
    kept_card(member())
    for key in KEYS:
        assert evaluate(control=controls()[key], now=NOW).outcome == Evidence.Outcome.KEPT


def test_sensitive_field_in_the_clear_is_reported_as_a_violation(
    clickandchat: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(never_stored, "SENSITIVE", ("user.name.first",))
    violations = never_stored.sealed(NOW).violations
    assert "accounts.account.first_name: in the clear" in violations


@pytest.mark.parametrize(
    "text", ["CVV: 737", "security code is 1234", "cvc2=123", "Mother's maiden name: Zzyzxowicz"]
)
def test_words_of_what_is_never_kept_are_reported_as_violations(
    clickandchat: PolicyVersion, text: str
) -> None:
    key = made(member()).key
    assert never_stored.never_stored(NOW).violations == ()
    ApiKey.objects.filter(pk=key.pk).update(name=text)
    assert never_stored.never_stored(NOW).violations == (f"accounts_apikey.name:{key.pk}",)


@pytest.mark.parametrize("name", ["cvv", "card_number", "security_code", "mother_maiden_name"])
def test_column_made_for_it_is_reported_as_a_violation(
    clickandchat: PolicyVersion, name: str
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE accounts_apikey ADD COLUMN {name} text")
    assert never_stored.never_stored(NOW).violations == (f"column: accounts_apikey.{name}",)


def test_undeclared_column_with_a_value_is_reported_as_a_violation(
    clickandchat: PolicyVersion,
) -> None:
    made(member())
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE accounts_apikey ADD COLUMN note text")
        assert categories.categories(NOW).violations == ()
        cursor.execute("UPDATE accounts_apikey SET note = 'x'")
        cursor.execute("CREATE TABLE stray (opinion text)")
        cursor.execute("INSERT INTO stray VALUES ('x')")
    assert categories.categories(NOW).violations == (
        "undeclared: accounts_apikey.note",
        "undeclared: stray.opinion",
    )


def test_category_without_a_word_is_reported_as_a_violation(
    clickandchat: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {k: v for k, v in CATEGORIES.items() if not k.startswith("user.name")}
    monkeypatch.setattr(categories, "CATEGORIES", words)
    violations = categories.categories(NOW).violations
    assert "no category: accounts_user.first_name" in violations


def test_statement_of_a_child_is_among_what_is_sealed() -> None:
    sealed = {f"{h.key}.{f.name}" for h, f in never_stored.sealed_columns()}
    assert {"retention.child_case.statement", "accounts.payment_card.expires"} <= sealed
    assert ChildCase._meta.get_field("statement").get_internal_type() == "BinaryField"
    assert re.fullmatch(never_stored.CIPHERTEXT, encrypt("x").decode())


def test_every_text_column_is_searched(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
            " JOIN pg_type t ON t.oid = a.atttypid"
            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0"
            " AND NOT a.attisdropped AND (t.typcategory IN ('S', 'A') OR t.typname LIKE 'json%')"
        )
        (count,) = cursor.fetchone()
    assert len(tables.text_columns()) == count
