"""The choices page with its history, and refusing by a mail's link."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from consent import ledger, mail
from consent.models import Event, Message
from consent.options import options
from datamap.models import Subject
from policy import current
from policy.models import PolicyVersion
from tests.consent.conftest import policy_source
from tests.factories.consent import (
    CATEGORY,
    NOW,
    PURPOSE,
    TRANSFER,
    decided,
    make_subject,
    posted,
)
from tests.factories.policy import publish_bytes, relabelled

CHOICES = "/privacy/choices/"


@pytest.fixture
def person(policy: PolicyVersion) -> Any:
    """Somebody with an account."""
    users: Any = get_user_model().objects
    return users.create_user("ada@example.com", "correct horse battery", now=NOW)


@pytest.fixture
def signed_in(person: Any) -> Client:
    """That person's browser, signed in."""
    client = Client()
    client.force_login(person)
    return client


def switches(page: str) -> dict[str, bool]:
    """Switch id → whether it is on, as the page shows them."""
    found = re.findall(r'<input class="switch"[^>]*id="([^"]+)"([^>]*)>', page)
    return {name: "checked" in rest for name, rest in found}


def move(signed_in: Client, kind: str, key: str, *, on: bool) -> Any:
    data = {"kind": kind, "key": key} | ({"on": "on"} if on else {})
    return signed_in.post(CHOICES, data)


def test_choices_needs_somebody_signed_in(policy: PolicyVersion) -> None:
    response = Client().get(CHOICES)
    assert response.status_code == 302
    assert response["Location"] == f"{reverse('account_login')}?next={CHOICES}"


def test_choices_shows_every_option_with_its_state_and_all_its_words(
    signed_in: Client, person: Any
) -> None:
    at = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)  # still the second of March in New York
    decided(person.subject, "given", kind="transfer", key=TRANSFER, now=at)
    decided(person.subject, "refused", kind="purpose", key=PURPOSE, now=NOW)
    response = signed_in.get(CHOICES)
    page = response.content.decode()
    assert switches(page) == {
        "transfer-united-states": True,
        "mail-service-news": True,
        "mail-digest": False,
        "purpose-contributed-facts": False,
        "purpose-matching-advertising": False,
        "purpose-suggestions": True,
    }
    assert "You said yes on 2 March 2026 when you signed up." in page
    assert "You said no on 3 March 2026 when you signed up." in page
    assert "It is on, because you have not said no." in page
    assert "It is off, because you have not said yes." in page
    text = " ".join(page.replace("&#x27;", "'").replace("&quot;", '"').split())
    for option in options(current.document()):
        for part in option.words.split("\n"):
            assert " ".join(part.split()) in text
    assert response["Cache-Control"] == "private, no-store"
    assert response["X-Robots-Tag"] == "noindex, noarchive"


def test_choices_of_a_minor_are_off_until_a_yes(signed_in: Client, person: Any) -> None:
    Subject.objects.filter(pk=person.subject_id).update(minor=True)
    page = signed_in.get(CHOICES).content.decode()
    assert set(switches(page).values()) == {False}
    assert page.count("the settings for people under age") == 2


@pytest.mark.parametrize(("kind", "key"), [("mail", "digest"), ("purpose", PURPOSE)])
def test_a_switch_counts_at_the_next_read(
    signed_in: Client, person: Any, kind: str, key: str
) -> None:
    for on, decision in [(True, "given"), (False, "withdrawn"), (True, "given")]:
        response = move(signed_in, kind, key, on=on)
        assert (response.status_code, response["Location"]) == (302, f"{CHOICES}#{kind}-{key}")
        page = signed_in.get(CHOICES).content.decode()
        assert switches(page)[f"{kind}-{key}"] is on
        event = ledger.standing(person.subject_id)[kind, key].event
        assert (event.decision, event.surface, event.channel) == (decision, "choices", "web")
        allowed = ledger.may(
            subject_id=person.subject_id, kind=kind, key=key, document=current.document()
        )
        assert allowed is on
    assert " is on from now." in page


def test_a_switch_stores_the_words_beside_it(signed_in: Client, person: Any) -> None:
    move(signed_in, "mail", CATEGORY, on=False)
    event = Event.objects.select_related("words").get()
    assert event.decision == "refused"
    assert event.words.text == (
        "News of our services\n"
        "A message now and then about a new service. Goes out until you refuse it. "
        "At most once a month."
    )


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"kind": "mail"},
        {"kind": "mail", "key": "unknown", "on": "on"},
        {"kind": "weather", "key": CATEGORY, "on": "on"},
        {"kind": "purpose", "key": "account", "on": "on"},
        {"kind": "notice", "key": "minors-advice", "on": "on"},
        {"kind": "mail", "key": "a\x00b", "on": "on"},
        {"kind": "mail", "key": "x" * 100_000, "on": "on"},
    ],
)
def test_a_forged_switch_changes_nothing(signed_in: Client, data: dict[str, str]) -> None:
    assert signed_in.post(CHOICES, data).status_code == 404
    assert Event.objects.count() == 0


def test_a_switch_needs_its_csrf_token(person: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)
    assert move(client, "mail", "digest", on=True).status_code == 403
    assert Event.objects.count() == 0


def test_a_restricted_person_can_say_no_but_not_yes(signed_in: Client, person: Any) -> None:
    Subject.objects.filter(pk=person.subject_id).update(restricted=True)
    response = signed_in.post(CHOICES, {"kind": "mail", "key": "digest", "on": "on"}, follow=True)
    assert b"Your data is locked for now" in response.content
    assert Event.objects.count() == 0
    move(signed_in, "mail", CATEGORY, on=False)
    assert Event.objects.get().decision == "refused"


def test_taking_a_transfer_back_first_says_what_that_brings(signed_in: Client, person: Any) -> None:
    decided(person.subject, "given", kind="transfer", key=TRANSFER)
    asked = move(signed_in, "transfer", TRANSFER, on=False)
    assert asked["Location"] == f"{CHOICES}transfer/{TRANSFER}/withdraw/"
    page = signed_in.get(asked["Location"]).content.decode()
    assert "your account ends and what we hold about you is erased" in " ".join(page.split())
    assert Event.objects.count() == 1
    signed_in.post(asked["Location"])
    event = ledger.standing(person.subject_id)["transfer", TRANSFER].event
    assert event.decision == "withdrawn"
    assert event.words.text.endswith("as after a request for deletion.")


def test_no_transfer_to_take_back_leads_to_the_choices(signed_in: Client, person: Any) -> None:
    url = f"{CHOICES}transfer/{TRANSFER}/withdraw/"
    for response in (signed_in.get(url), signed_in.post(url)):
        assert (response.status_code, response["Location"]) == (302, CHOICES)
    assert signed_in.get(f"{CHOICES}transfer/mars/withdraw/").status_code == 404
    assert Event.objects.count() == 0


def test_history_shows_decisions_words_and_policy_newest_first(
    signed_in: Client, person: Any, policy: PolicyVersion
) -> None:
    decided(person.subject, "given", text="May we write to <you>?")
    second = publish_bytes(relabelled(policy_source(), "2"), now=NOW)
    later = max(NOW, second.effective_at) + timedelta(days=1)
    decided(person.subject, "withdrawn", now=later)
    decided(make_subject(), "refused", text="Somebody else's words")
    page = signed_in.get(f"{CHOICES}mail/{CATEGORY}/").content.decode()
    assert page.index("You took your yes back on") < page.index("You said yes on")
    assert "May we write to &lt;you&gt;?" in page
    assert f'href="{policy.get_absolute_url()}"' in page
    assert f'href="{second.get_absolute_url()}"' in page
    assert "Somebody else" not in page


@pytest.mark.parametrize(
    "path", ["mail/unknown/", "weather/service-news/", "notice/minors-advice/", "mail/a%00b/"]
)
def test_history_of_nothing_is_not_found(signed_in: Client, path: str) -> None:
    assert signed_in.get(CHOICES + path).status_code == 404


def test_queries_do_not_grow_with_choices_and_history(signed_in: Client, person: Any) -> None:
    signed_in.get(CHOICES)
    counts = []
    for number in (1, 3):
        for _ in range(number):
            decided(person.subject, "given", text=f"May we {Event.objects.count()}?")
            decided(person.subject, "refused", kind="purpose", key=PURPOSE)
        with CaptureQueriesContext(connection) as choices:
            signed_in.get(CHOICES)
        with CaptureQueriesContext(connection) as history:
            signed_in.get(f"{CHOICES}mail/{CATEGORY}/")
        counts.append((len(choices), len(history)))
    assert counts[0] == counts[1]


def link_of(message: Message) -> str:
    """The path of the refusal link in a message's words."""
    found = re.search(r"http://localhost:8000(/unsubscribe/[\w-]+/)", mail.text_of(message))
    assert found is not None
    return found[1]


def choices_of(subject: Subject) -> dict[str, str]:
    """Mail key → decision."""
    return {key: choice.decision for (_, key), choice in ledger.standing(subject.pk).items()}


def test_looking_at_a_refusal_link_changes_nothing_and_sets_nothing(policy: PolicyVersion) -> None:
    subject = make_subject()
    link = link_of(posted(subject.pk))
    client = Client(enforce_csrf_checks=True)
    for response in (client.get(link), client.head(link)):
        assert response.status_code == 200
        assert not response.cookies
        assert "Location" not in response
        assert response["Cache-Control"] == "private, no-store"
    assert "No more of “News of our services”" in client.get(link).content.decode()
    assert choices_of(subject) == {}


def test_one_click_refuses_that_mail_without_cookie_or_redirect(policy: PolicyVersion) -> None:
    subject = make_subject()
    message = posted(subject.pk)
    client = Client(enforce_csrf_checks=True)
    for _ in range(2):
        response = client.post(
            link_of(message),
            "List-Unsubscribe=One-Click",
            content_type="application/x-www-form-urlencoded",
        )
        assert (response.status_code, len(response.cookies)) == (200, 0)
    assert choices_of(subject) == {CATEGORY: "refused"}
    event = Event.objects.get()
    assert (event.surface, event.channel) == ("mail-program", "e-mail")
    assert event.evidence == f"consent.message:{message.pk}"


def test_one_click_as_multipart_works_too(policy: PolicyVersion) -> None:
    subject = make_subject()
    Client().post(link_of(posted(subject.pk)), {"List-Unsubscribe": "One-Click"})
    assert choices_of(subject) == {CATEGORY: "refused"}


def test_the_page_refuses_one_mail_or_all_of_it(policy: PolicyVersion) -> None:
    subject = make_subject()
    decided(subject, "given", key="digest")
    link = link_of(posted(subject.pk))
    response = Client().post(link)
    assert "You get no more of “News of our services”" in response.content.decode()
    assert choices_of(subject) == {CATEGORY: "refused", "digest": "given"}
    Client().post(link, {"scope": "everything"})
    assert choices_of(subject) == {CATEGORY: "refused", "digest": "withdrawn"}
    surfaces = {event.surface for event in Event.objects.exclude(decision="given")}
    assert surfaces == {"unsubscribe"}


@pytest.mark.parametrize("category", ["account", "answer"])
def test_the_link_in_other_mail_refuses_all_offers(policy: PolicyVersion, category: str) -> None:
    subject = make_subject()
    link = link_of(posted(subject.pk, category=category, template="test_account"))
    page = Client().get(link).content.decode()
    assert (page.count("No offers at all"), page.count("No more of")) == (1, 0)
    Client().post(link, {"List-Unsubscribe": "One-Click"})
    assert choices_of(subject) == {CATEGORY: "refused", "digest": "refused"}


def test_the_link_works_for_a_locked_person_and_after_sending(policy: PolicyVersion) -> None:
    subject = make_subject()
    message = posted(subject.pk)
    link = link_of(message)
    Message.objects.filter(pk=message.pk).update(
        state="sent", sealed=None, sent_at=NOW, ended_at=NOW
    )
    Subject.objects.filter(pk=subject.pk).update(locked=True)
    assert Client().post(link).status_code == 200
    assert choices_of(subject) == {CATEGORY: "refused"}


@pytest.mark.parametrize("token", ["x", "a" * 32, "a" * 5000, "%00", "ä"])
def test_an_unknown_token_is_told_so(policy: PolicyVersion, token: str) -> None:
    for response in (
        Client().get(f"/unsubscribe/{token}/"),
        Client().post(f"/unsubscribe/{token}/"),
    ):
        assert response.status_code == 404
        assert "Nothing was changed." in response.content.decode()
        assert not response.cookies
    assert Event.objects.count() == 0


def test_the_link_of_an_erased_person_is_no_longer_known(policy: PolicyVersion) -> None:
    subject = make_subject()
    link = link_of(posted(subject.pk))
    Subject.objects.filter(pk=subject.pk).update(locked=True, erased_at=NOW)
    assert Client().post(link).status_code == 404


def test_signing_in_changes_nothing_about_the_link(signed_in: Client, person: Any) -> None:
    """A forwarded mail acts for the person it was written to, never for whoever is signed in."""
    other = make_subject()
    signed_in.post(link_of(posted(other.pk)))
    assert choices_of(other) == {CATEGORY: "refused"}
    assert choices_of(person.subject) == {}
