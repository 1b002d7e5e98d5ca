"""The pages of connections and facts, as browsers of the people concerned get them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import connections, facts
from accounts.models import Block, Connection, ConnectionRequest, Fact, Profile, User
from audit.log import SYSTEM, person
from tests.factories.accounts import member, minor
from tests.factories.facts import delivered, lets_others, told

pytestmark = pytest.mark.usefixtures("wecustomers")


@pytest.fixture(autouse=True)
def fresh_rate_limits() -> None:
    cache.clear()


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page_of(user: User) -> str:
    return Profile.objects.get(subject_id=user.subject_id).handle


def ask(asker: User, asked: User) -> ConnectionRequest:
    connections.ask(
        asker_id=asker.subject_id,
        asked_id=asked.subject_id,
        actor=person(asker.subject_id),
        now=timezone.now(),
    )
    return ConnectionRequest.objects.get(asker=asker.subject)


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_two_people_meet_through_their_pages() -> None:
    ada, robin = member(first_name="Ada"), member(first_name="Robin", last_name="Quill")
    asker, asked = browser(ada), browser(robin)
    page = text_of(asker.get(reverse("accounts:person", args=[page_of(robin)])))
    assert "Ask to connect" in page
    sent = asker.post(reverse("accounts:ask_person", args=[page_of(robin)]))
    assert (sent.status_code, sent["Location"]) == (302, reverse("accounts:connections"))
    assert "No answer yet" in text_of(asker.get(sent["Location"]))
    waiting = asked.get(reverse("accounts:connections"))
    assert "Ada E." in text_of(waiting)
    assert waiting["Cache-Control"] == "private, no-store"
    assert "1 person asks to connect" in text_of(asked.get(reverse("privacy")))
    handle = ConnectionRequest.objects.get().handle
    asked.post(reverse("accounts:act_on_connection", args=[handle, "accept"]))
    assert Connection.objects.count() == 1
    assert "You are connected" in text_of(
        asked.get(reverse("accounts:person", args=[page_of(ada)]))
    )


def test_a_no_looks_the_same_to_whoever_asked() -> None:
    ada, robin = member(first_name="Ada"), member(first_name="Robin")
    request = ask(ada, robin)
    asker, asked = browser(ada), browser(robin)
    list_page, person_page = (
        reverse("accounts:connections"),
        reverse("accounts:person", args=[page_of(robin)]),
    )
    before = [without_token(asker.get(each)) for each in (list_page, person_page)]
    asked.post(reverse("accounts:act_on_connection", args=[request.handle, "decline"]))
    assert [without_token(asker.get(each)) for each in (list_page, person_page)] == before


def without_token(answer: Any) -> str:
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", text_of(answer))


@pytest.mark.parametrize("act", ["accept", "decline", "take-back", "end", "block", "unblock"])
def test_rows_of_others_are_not_there(act: str) -> None:
    ada, robin, stranger = member(), member(), member()
    handles = [ask(ada, robin).handle]
    connections.connect(
        one_id=ada.subject_id,
        other_id=member().subject_id,
        because_of="test",
        actor=SYSTEM,
        now=timezone.now(),
    )
    handles.append(Connection.objects.get().handle)
    block = connections.block(
        blocker_id=robin.subject_id,
        blocked_id=member().subject_id,
        actor=SYSTEM,
        now=timezone.now(),
    )
    handles += [block.handle, "nothing"]
    client = browser(stranger)
    codes = {
        client.post(reverse("accounts:act_on_connection", args=[handle, act])).status_code
        for handle in handles
    }
    assert codes == {404}
    assert (ConnectionRequest.objects.count(), Connection.objects.count()) == (1, 1)
    assert Block.objects.count() == 1


def test_looking_changes_nothing_and_an_unknown_act_is_none() -> None:
    ada, robin = member(), member()
    request = ask(ada, robin)
    client = browser(robin)
    accept = reverse("accounts:act_on_connection", args=[request.handle, "accept"])
    assert client.get(accept).status_code == 405
    unknown = reverse("accounts:act_on_connection", args=[request.handle, "eat"])
    assert client.post(unknown).status_code == 404
    assert Client().get(reverse("accounts:connections")).status_code == 302
    assert Client().post(accept).status_code == 302
    assert ConnectionRequest.objects.count() == 1
    forger = Client(enforce_csrf_checks=True)
    forger.force_login(robin)
    assert forger.post(accept).status_code == 403


def test_a_blocked_person_meets_nobody() -> None:
    ada, robin = member(first_name="Ada"), member(first_name="Robin")
    robins = browser(robin)
    robins.post(reverse("accounts:block_person", args=[page_of(ada)]))
    assert Block.objects.filter(blocker=robin.subject, blocked=ada.subject).count() == 1
    client = browser(ada)
    for name in ("person", "tell_fact"):
        assert client.get(reverse(f"accounts:{name}", args=[page_of(robin)])).status_code == 404
    for name in ("ask_person", "block_person"):
        found = client.post(reverse(f"accounts:{name}", args=[page_of(robin)]))
        unknown = client.post(reverse(f"accounts:{name}", args=["nobody"]))
        assert (found.status_code, unknown.status_code) == (404, 404)
    assert "block" not in text_of(client.get(reverse("accounts:people"))).lower()
    assert "Ada E." in text_of(robins.get(reverse("accounts:connections")))
    handle = Block.objects.get().handle
    robins.post(reverse("accounts:act_on_connection", args=[handle, "unblock"]))
    assert client.get(reverse("accounts:person", args=[page_of(robin)])).status_code == 200


def test_who_blocked_back_shows_no_name() -> None:
    ada, robin = member(first_name="Ada"), member(first_name="Robin")
    for one, other in ((ada, robin), (robin, ada)):
        connections.block(
            blocker_id=one.subject_id,
            blocked_id=other.subject_id,
            actor=SYSTEM,
            now=timezone.now(),
        )
    page = text_of(browser(robin).get(reverse("accounts:connections")))
    assert "Somebody whose name you can&#x27;t see" in page or "name you can't see" in page
    assert "Ada" not in page


def test_somebody_who_asks_is_known_by_name_and_a_minor_too() -> None:
    """The words beside the button say so; what else they show stays as they set it."""
    teen, robin = minor(first_name="Kit"), member()
    ask(teen, robin)
    page = text_of(browser(robin).get(reverse("accounts:connections")))
    assert "Kit E." in page
    assert page_of(teen) not in page
    connections.block(
        blocker_id=teen.subject_id,
        blocked_id=robin.subject_id,
        actor=SYSTEM,
        now=timezone.now(),
    )
    assert "Kit" not in text_of(browser(robin).get(reverse("accounts:connections")))


def test_lists_ask_as_much_for_many_as_for_one() -> None:
    ada = member()
    client = browser(ada)
    page = reverse("accounts:connections")

    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert client.get(page).status_code == 200
        return len(caught)

    def more() -> None:
        connections.connect(
            one_id=ada.subject_id,
            other_id=member().subject_id,
            because_of="test",
            actor=SYSTEM,
            now=timezone.now(),
        )
        ask(member(), ada)

    more()
    one = queries()
    more()
    more()
    assert queries() == one


def test_a_site_without_connections_has_no_such_page(policy_of: Any) -> None:
    policy_of("clickandchat")
    client = browser(member())
    assert client.get(reverse("accounts:connections")).status_code == 404
    assert reverse("accounts:connections") not in text_of(client.get(reverse("privacy")))
    assert client.get(reverse("accounts:facts")).status_code == 200


# Facts ------------------------------------------------------------------------------------------


def test_a_fact_is_told_accepted_and_shown() -> None:
    ada, robin = member(first_name="Ada"), member(first_name="Robin")
    now = timezone.now()
    teller, owner = browser(ada), browser(robin)
    tell = reverse("accounts:tell_fact", args=[page_of(robin)])
    assert teller.get(tell).status_code == 404
    assert teller.post(tell, {"text": "Sings.", "source": "Heard it"}).status_code == 404
    lets_others(robin.subject_id, now=now - timedelta(seconds=5))
    assert "Tell something about them" in text_of(
        teller.get(reverse("accounts:person", args=[page_of(robin)]))
    )
    assert "sees this first" in text_of(teller.get(tell))
    sent = teller.post(tell, {"text": "Sings.", "source": "Heard it"})
    assert sent["Location"] == reverse("accounts:person", args=[page_of(robin)])
    assert "Sings." not in text_of(teller.get(sent["Location"]))
    listed = text_of(owner.get(reverse("accounts:facts")))
    assert all(words in listed for words in ("Sings.", "Heard it", "Ada E."))
    handle = Fact.objects.get().handle
    accept = reverse("accounts:act_on_fact", args=[handle, "accept"])
    owner.post(accept, {"audience": "members"})
    assert "Sings." in text_of(teller.get(sent["Location"]))
    show = reverse("accounts:act_on_fact", args=[handle, "show"])
    owner.post(show, {"audience": "nobody"})
    assert "Sings." not in text_of(teller.get(sent["Location"]))
    owner.post(reverse("accounts:act_on_fact", args=[handle, "remove"]))
    assert not Fact.objects.exists()


@pytest.mark.parametrize("audience", ["", "friends", "everyone"])
def test_a_forged_audience_changes_nothing_and_is_named(audience: str) -> None:
    robin = minor()
    fact = told(member().subject_id, robin.subject_id, now=timezone.now())
    client = browser(robin)
    answer = client.post(
        reverse("accounts:act_on_fact", args=[fact.handle, "accept"]),
        {"audience": audience},
        follow=True,
    )
    assert "Choose who sees it" in text_of(answer)
    fact.refresh_from_db()
    assert fact.state == "waiting"


@pytest.mark.parametrize("act", ["accept", "show", "remove", "take-back"])
def test_facts_of_others_are_not_there(act: str) -> None:
    robin = member()
    fact = told(member().subject_id, robin.subject_id, now=timezone.now())
    client = browser(member())
    for handle in (fact.handle, "nothing"):
        answer = client.post(
            reverse("accounts:act_on_fact", args=[handle, act]), {"audience": "nobody"}
        )
        assert answer.status_code == 404
    assert Fact.objects.get().state == "waiting"


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("text", "<b>x</b>", "Write plain words"),
        ("text", "y" * 501, "at most 500 characters"),
        ("text", "z" * 1_000_000, "at most 500 characters"),
        ("source", "a\tb", "on one line"),
        ("source", "", "required"),
        ("text", "4111 1111 1111 1111", "card"),
    ],
)
def test_odd_facts_are_refused_at_their_field(field: str, text: str, words: str) -> None:
    robin = member()
    lets_others(robin.subject_id, now=timezone.now() - timedelta(seconds=5))
    form = {"text": "Sings.", "source": "Heard it"} | {field: text}
    answer = browser(member()).post(reverse("accounts:tell_fact", args=[page_of(robin)]), form)
    assert answer.status_code == 200
    assert words in " ".join(answer.context["form"].errors[field])
    assert not Fact.objects.exists()


def test_markup_in_a_source_of_the_policy_is_shown_as_text() -> None:
    robin = member()
    lets_others(robin.subject_id, now=timezone.now() - timedelta(seconds=5))
    fact = delivered(robin.subject_id, now=timezone.now(), text="1 < 2 & 3")
    page = browser(robin).get(reverse("accounts:facts")).content.decode()
    assert "1 &lt; 2 &amp; 3" in page
    assert fact.state == "waiting"


def test_too_many_at_once_is_said_at_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    ada, robin = member(), member()
    told(ada.subject_id, robin.subject_id, now=timezone.now())
    monkeypatch.setattr(facts, "MOST_OF_ONE", 1)
    answer = browser(ada).post(
        reverse("accounts:tell_fact", args=[page_of(robin)]), {"text": "x", "source": "y"}
    )
    assert "Enough for now" in text_of(answer)


def test_the_switch_says_what_turning_it_off_brings() -> None:
    robin = member()
    client = browser(robin)
    page = reverse("accounts:facts")
    assert "unless you turn this on" in text_of(client.get(page))
    lets_others(robin.subject_id, now=timezone.now())
    assert "what waits for your answer is deleted" in text_of(client.get(page))
