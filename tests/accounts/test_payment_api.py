"""Payments for the site's own programs: with a site key, strictly, and logged."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import keys
from accounts.models import ApiKey, Payment, PaymentCard, PaymentRead, User
from audit.access import scopes, site_scopes
from audit.log import SYSTEM
from audit.models import AuditEntry
from datamap.models import Subject
from policy.models import PolicyVersion
from tests.factories.accounts import member, reauthenticated
from tests.factories.api import made, with_key
from tests.factories.payments import kept_card, opened, site_program

URL = "/api/v1/payments/"
CARD = {"token": "tok_9f8e7d6c5b4a", "brand": "visa", "last_four": "4242", "expires": "2028-05"}


@pytest.fixture(autouse=True)
def no_counts(settings: Any) -> None:
    cache.clear()
    settings.KEPT_API_CALLS_PER_KEY = settings.KEPT_API_CALLS_PER_ADDRESS = 0


@pytest.fixture
def user(clickandchat: PolicyVersion) -> User:
    return member()


@pytest.fixture
def program(user: User) -> Client:
    found: Client = site_program(now=timezone.now())
    return found


def post(client: Client, path: str, body: Any = None) -> Any:
    return client.post(path, {} if body is None else body, content_type="application/json")


def begun(user: User, **fields: Any) -> dict[str, Any]:
    return {"reference": "A-1", "kind": "purchase", "email": user.email, **fields}


def test_whole_payment(user: User, program: Client) -> None:
    answer = post(program, URL, begun(user, card=CARD))
    assert answer.status_code == 201
    body = answer.json()
    card = PaymentCard.objects.get()
    assert (body["reference"], body["kind"], body["card_handle"], body["closed_at"]) == (
        "A-1",
        "purchase",
        card.handle,
        None,
    )
    read = post(program, f"{URL}A-1/card/")
    assert (read.status_code, read.json(), read["Cache-Control"]) == (200, CARD, "no-store")
    closed = post(program, f"{URL}A-1/close/")
    assert closed.status_code == 200
    assert closed.json()["closed_at"] is not None
    refused = post(program, f"{URL}A-1/card/")
    assert (refused.status_code, refused.json()["reason"]) == (409, "not-open")
    assert PaymentRead.objects.count() == 1
    verbs = AuditEntry.objects.filter(verb__startswith="accounts.card-").order_by("at", "pk")
    assert list(verbs.values_list("verb", flat=True)) == [
        "accounts.card-kept",
        "accounts.card-read",
        "accounts.card-refused",
    ]


def test_kept_card_pays_again(user: User, program: Client) -> None:
    card = kept_card(user)
    answer = post(program, URL, begun(user, card_handle=card.handle))
    assert answer.json()["card_handle"] == card.handle
    other = kept_card(member())
    wrong = post(program, URL, begun(user, reference="A-2", card_handle=other.handle))
    assert [e["pointer"] for e in wrong.json()["errors"]] == ["/card_handle"]


def test_person_is_named_by_the_sites_own_id(user: User, program: Client) -> None:
    Subject.objects.filter(pk=user.subject_id).update(external_id="shop-17")
    body = {"reference": "A-1", "kind": "refund", "external_id": "shop-17"}
    assert post(program, URL, body).status_code == 201
    assert Payment.objects.get().subject_id == user.subject_id


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"email": "nobody@example.com"}, "/email"),
        ({"email": "no address"}, "/email"),
        ({"external_id": "x"}, "/email"),
        ({"kind": "gift"}, "/kind"),
        ({"reference": "a b"}, "/reference"),
        ({"reference": "x" * 65}, "/reference"),
        ({"reference": "4111111111111111"}, "/reference"),
        ({"more": 1}, "/more"),
        ({"card": {**CARD, "token": "4111-1111-1111-1111"}}, "/card/token"),
        ({"card": {**CARD, "cvv": "123"}}, "/card/cvv"),
        ({"card": {**CARD, "last_four": "424"}}, "/card/last_four"),
        ({"card": {**CARD, "brand": "V"}}, "/card/brand"),
        ({"card": {**CARD, "expires": "2028-13"}}, "/card/expires"),
        ({"card": {"token": "tok_12345678"}}, "/card/brand"),
    ],
)
def test_wrong_body_is_refused_by_its_place(
    user: User, program: Client, change: dict[str, Any], pointer: str
) -> None:
    answer = post(program, URL, begun(user, **change))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert (Payment.objects.count(), PaymentCard.objects.count()) == (0, 0)


def test_conflicts_say_what_they_are(user: User, program: Client) -> None:
    opened(user, card=None, reference="A-1", now=timezone.now())
    taken = post(program, URL, begun(user))
    assert (taken.status_code, taken.json()["type"].rpartition("#")[2]) == (409, "reference-taken")
    Subject.objects.filter(pk=user.subject_id).update(restricted=True)
    closed = post(program, URL, begun(user, reference="A-2"))
    assert (closed.status_code, closed.json()["type"].rpartition("#")[2]) == (409, "person-closed")
    for path in ("A-9/close/", "A-9/card/", "%00/card/", "a%00b/close/", f"{'x' * 3000}/card/"):
        assert post(program, URL + path).status_code == 404


def test_policy_without_payments_refuses(wecustomers: PolicyVersion) -> None:
    answer = post(site_program(now=timezone.now()), URL, begun(member()))
    assert (answer.status_code, answer.json()["type"].rpartition("#")[2]) == (403, "no-payments")


def test_only_site_keys_with_the_scope_call(user: User) -> None:
    opened(user, card=kept_card(user), reference="A-1", now=timezone.now())
    reader = site_program("payments:read", now=timezone.now())
    writer = site_program("payments:write", now=timezone.now())
    own = with_key(made(user).text)
    for client, status in ((own, 403), (Client(), 401), (with_key("kept_x"), 401)):
        for path in ("", "A-1/close/", "A-1/card/"):
            assert post(client, URL + path, begun(user)).status_code == status
    assert post(reader, URL, begun(user, reference="A-2")).status_code == 403
    assert post(reader, f"{URL}A-1/close/").status_code == 403
    assert post(writer, f"{URL}A-1/card/").status_code == 403
    assert post(reader, f"{URL}A-1/card/").status_code == 200


def test_site_key_opens_nobodys_data(program: Client) -> None:
    assert program.get("/api/v1/me/choices/").status_code == 403
    assert program.get("/api/v1/me/").json()["scopes"] == ["payments:read", "payments:write"]


def test_people_are_not_offered_what_is_for_the_site(user: User) -> None:
    assert set(scopes()) & set(site_scopes()) == set()
    assert {"payments:read", "payments:write"} <= set(site_scopes())
    with pytest.raises(keys.UnknownScope):
        made(user, "payments:read")
    page = reauthenticated(Client(), user).get(reverse("accounts:api_keys"))
    assert "payments:read" not in page.content.decode()


def test_site_keys_are_made_and_ended_at_the_console(user: User) -> None:
    out = StringIO()
    call_command("make_site_key", "Shop", "--scope", "payments:write", "--days", "30", stdout=out)
    text = out.getvalue().strip()
    assert post(with_key(text), URL, begun(user)).status_code == 201
    key = ApiKey.objects.get()
    assert (key.user, key.name, key.scopes) == (None, "Shop", ["payments:write"])
    with pytest.raises(CommandError, match="called 'Shop' already"):
        call_command("make_site_key", "Shop", "--scope", "payments:write")
    with pytest.raises(CommandError, match="--scope"):
        call_command("make_site_key", "Other")
    call_command("make_site_key", "Shop", "--end", stdout=out)
    assert post(with_key(text), URL, begun(user, reference="A-2")).status_code == 401
    with pytest.raises(CommandError, match="No live key"):
        call_command("make_site_key", "Shop", "--end")
    wanted: list[list[str]] = [["choices:read"], []]
    for wrong in wanted:
        with pytest.raises(keys.UnknownScope):
            keys.make_site_key(
                name="x", scopes=wrong, life=keys.LIVES[0], actor=SYSTEM, now=timezone.now()
            )


def test_owner_sees_cards_payments_and_uses(user: User, program: Client) -> None:
    post(program, URL, begun(user, card=CARD))
    post(program, f"{URL}A-1/card/")
    client = reauthenticated(Client(), user)
    text = client.get(reverse("accounts:payments")).content.decode()
    assert "Visa, ending in 4242" in text
    assert "A-1" in text
    assert "Card used on" in text
    assert CARD["token"] not in text
    stranger = reauthenticated(Client(), member())
    assert "4242" not in stranger.get(reverse("accounts:payments")).content.decode()
    card = PaymentCard.objects.get()
    path = reverse("accounts:remove_card", args=[card.handle])
    assert stranger.post(path).status_code == 404
    assert "still open" in client.post(path, follow=True).content.decode()
    post(program, f"{URL}A-1/close/")
    assert client.get(path).status_code == 405
    assert "deleted" in client.post(path, follow=True).content.decode()
    assert PaymentCard.objects.count() == 0


def test_page_costs_the_same_for_one_and_three(user: User) -> None:
    client = reauthenticated(Client(), user)
    counts = []
    for _more in range(3):
        opened(user, card=kept_card(user), now=timezone.now())
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse("accounts:payments"))
        counts.append(len(queries))
    assert counts[0] == counts[2]


def test_hub_offers_it_where_there_are_payments(user: User) -> None:
    client = reauthenticated(Client(), user)
    assert reverse("accounts:payments") in client.get(reverse("privacy")).content.decode()


def test_hub_hides_it_where_there_are_none(wecustomers: PolicyVersion) -> None:
    client = reauthenticated(Client(), member())
    assert reverse("accounts:payments") not in client.get(reverse("privacy")).content.decode()
    text = client.get(reverse("accounts:payments")).content.decode()
    assert "This site takes no payments." in text
