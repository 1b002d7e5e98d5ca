"""The pages of asking a parent: what opens, what is refused, what a decision shows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import guardian_access
from accounts.models import AgeVerdict, Guardianship, User
from accounts.roles import Role
from audit.models import StaffAccess
from consent.models import Message, Words
from datamap.models import Subject
from policy.models import PolicyVersion
from retention.models import ChildCase
from tests.factories.accounts import log_in, minor, prove_second_factor, staff_member
from tests.factories.guardians import (
    PARENT,
    agreed,
    asked,
    case_of,
    code_for,
    link_to,
    locked_child,
    verified,
)
from tests.factories.retention import make_person
from tests.retention.test_children import link_in_mail

pytestmark = pytest.mark.django_db
YES = {
    "is_parent": "on",
    "use": "on",
    "disclosure": "no",
    "method": "call",
    "contact": "+1 202 555 0143",
}


@pytest.fixture(autouse=True)
def fresh_rate_limits() -> None:
    cache.clear()


@pytest.fixture
def child(wecustomers: PolicyVersion) -> User:
    return locked_child()


def opened(client: Client, row: Guardianship) -> str:
    """The parent's page, opened in this browser; its path."""
    path = link_to(row)
    assert client.post(f"{path}code/").status_code == 302
    assert client.post(f"{path}open/", {"code": code_for(row)}).status_code == 302
    return path


def test_child_names_a_parent_on_the_page_of_the_lock(child: User, client: Client) -> None:
    url = link_in_mail(child)
    assert b"Does a parent agree?" in client.get(url).content
    answer = client.post(f"{url}parent/", {"parent-email": PARENT})
    assert (answer.status_code, answer["Location"]) == (302, url)
    page = client.get(url).content
    assert b"We have written to the address you gave" in page
    assert PARENT.encode() not in page
    assert Message.objects.filter(template="guardian_asked").count() == 1


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("kim@example.com", b"This is your own address"),
        ("nobody", b"Enter one e-mail address"),
        ("", b"This field is required"),
        ("a@example.com\r\nBcc: b@example.com", b"Enter one e-mail address"),
        ("a" * 100_000 + "@example.com", b"at most"),
    ],
)
def test_wrong_address_is_refused_beside_its_field(
    child: User, client: Client, address: str, words: bytes
) -> None:
    page = client.post(f"{link_in_mail(child)}parent/", {"parent-email": address})
    assert page.status_code == 400
    assert words in page.content
    assert not Guardianship.objects.exists()


def test_no_way_is_offered_where_the_policy_has_none(
    clickandchat: PolicyVersion, client: Client
) -> None:
    url = link_in_mail(locked_child())
    assert b"Does a parent agree?" not in client.get(url).content
    assert client.post(f"{url}parent/", {"parent-email": PARENT}).status_code == 302
    assert not Guardianship.objects.exists()


def test_link_alone_shows_and_decides_nothing(child: User, client: Client) -> None:
    row = asked(child, now=timezone.now())
    path = link_to(row)
    page = client.get(path)
    assert page["Cache-Control"] == "private, no-store"
    assert b"Send me a code" in page.content
    assert b"What we hold" not in page.content
    for act in ("agree", "refuse", "withdraw", "others"):
        answer = client.post(f"{path}{act}/", {**YES, "erase": "1"})
        assert (answer.status_code, answer["Location"]) == (302, path)
    row.refresh_from_db()
    assert row.state == "asked"


def test_code_opens_the_page_in_this_browser_for_half_an_hour(child: User, client: Client) -> None:
    row = asked(child, now=timezone.now())
    path = opened(client, row)
    page = client.get(path).content
    assert b"What we hold about the child" in page
    assert b"e-mail address, first name, last name" in page
    assert b"kim" not in page
    assert b"Send me a code" in Client().get(path).content
    session = client.session
    session["guardian"] = [row.handle, (timezone.now() - timedelta(seconds=1)).isoformat()]
    session.save()
    assert b"What we hold" not in client.get(path).content


def test_browser_opened_for_one_child_is_not_open_for_another(child: User, client: Client) -> None:
    opened(client, asked(child, now=timezone.now()))
    other = asked(locked_child("lee"), now=timezone.now())
    newest = Message.objects.filter(template="guardian_asked", subject=other.guardian)
    assert newest.exists()
    assert b"What we hold" not in client.get(link_to(other)).content


def test_wrong_code_is_refused_beside_its_field(child: User, client: Client) -> None:
    path = link_to(asked(child, now=timezone.now()))
    client.post(f"{path}code/")
    for code in ("", "0000 0000 0", "x" * 5000):
        page = client.post(f"{path}open/", {"code": code})
        assert page.status_code == 400
        assert b"What we hold" not in page.content


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"disclosure": ""}, b"Nothing is chosen for you"),
        ({"use": ""}, b"Tick this if you agree"),
        ({"is_parent": ""}, b"Tick this if it is so"),
        ({"method": "magic"}, b"Select a valid choice"),
        ({"contact": ""}, b"when we can reach you"),
        ({"contact": "x" * 1001}, b"at most 1000"),
    ],
)
def test_half_a_yes_is_none(
    child: User, client: Client, change: dict[str, str], words: bytes
) -> None:
    row = asked(child, now=timezone.now())
    path = opened(client, row)
    page = client.post(f"{path}agree/", {**YES, **change})
    assert page.status_code == 400
    assert words in page.content
    row.refresh_from_db()
    assert row.state == "asked"


def test_yes_is_stored_with_the_words_on_the_page(child: User, client: Client) -> None:
    row = asked(child, now=timezone.now())
    path = opened(client, row)
    assert client.post(f"{path}agree/", YES).status_code == 302
    row.refresh_from_db()
    assert (row.state, row.method, row.disclosure) == ("agreed", "call", False)
    words = Words.objects.get(digest=row.words_digest).text
    assert "You may hold and use the child's data" in words
    assert "get the data, too?" in words
    page = client.get(path).content
    assert b"Now we make sure that you are the parent" in page
    assert b"555" not in page
    waiting = Message.objects.filter(template="guardian_waiting")
    assert waiting.count() == 0  # nobody is on the staff


def test_no_leads_to_a_page_that_shows_nothing(child: User, client: Client) -> None:
    row = asked(child, now=timezone.now())
    path = opened(client, row)
    answer = client.post(f"{path}refuse/")
    assert (answer.status_code, answer["Location"]) == (302, reverse("accounts:guardian_done"))
    assert b"We have your answer" in client.get(answer["Location"]).content
    gone = client.get(path)
    assert gone.status_code == 404
    assert b"leads nowhere" in gone.content


def test_verified_parent_changes_disclosure_and_withdraws(child: User, client: Client) -> None:
    row = verified(child, make_person("rita"), now=timezone.now())
    path = opened(client, row)
    assert b"Your consent stands since" in client.get(path).content
    assert client.post(f"{path}others/", {"disclosure": ""}).status_code == 400
    assert client.post(f"{path}others/", {"disclosure": "yes"}).status_code == 302
    row.refresh_from_db()
    assert row.disclosure is True
    assert client.post(f"{path}withdraw/").status_code == 302
    assert Subject.objects.get(pk=child.subject_id).locked
    assert case_of(child).state == ChildCase.State.CONTEST
    assert client.post(f"{path}withdraw/").status_code == 404


def test_verified_parent_has_everything_erased(child: User, client: Client) -> None:
    row = verified(child, make_person("rita"), now=timezone.now())
    path = opened(client, row)
    assert client.post(f"{path}withdraw/", {"erase": "1"}).status_code == 302
    assert case_of(child).state == ChildCase.State.ERASING


@pytest.mark.parametrize("token", ["x" * 43, "x", "x" * 5000])
def test_unknown_link_is_answered_kindly(
    wecustomers: PolicyVersion, client: Client, token: str
) -> None:
    for path in (f"/guardians/{token}/", f"/guardians/{token}/agree/"):
        answer = client.get(path) if path.count("/") == 3 else client.post(path)
        assert answer.status_code == 404
        assert b"leads nowhere" in answer.content


def test_staff_see_the_parent_for_a_reason_and_verify(child: User, client: Client) -> None:
    agreed(child, now=timezone.now(), disclosure=True)
    prove_second_factor(client, staff_member(Role.REVIEWER))
    case = case_of(child)
    url = reverse("retention:case", args=[case.reference])
    page = client.get(url).content
    assert b"A telephone call" in page
    assert PARENT.encode() not in page
    assert b"555" not in page
    page = client.post(url, {"read-reason": "To call"}).content
    assert PARENT.encode() in page
    assert b"+1 202 555 0143, evenings" in page
    assert StaffAccess.objects.filter(subject_id=child.subject_id).count() == 1
    send = reverse("retention:parent", args=[case.reference])
    assert client.post(send, {"parent-reason": "Called"}).status_code == 400
    done = client.post(send, {"parent-reason": "Called", "parent-method": "video"})
    assert done.status_code == 302
    row = Guardianship.objects.get()
    assert (row.state, row.method) == ("verified", "video")


def test_desk_is_told_that_a_parent_agreed(child: User) -> None:
    reviewer = staff_member(Role.REVIEWER)
    staff_member(Role.AUDITOR)
    agreed(child, now=timezone.now())
    (letter,) = Message.objects.filter(template="guardian_waiting")
    assert (letter.subject_id, letter.category) == (reviewer.subject_id, "staff")


def test_case_without_a_yes_offers_nothing_to_record(child: User, client: Client) -> None:
    prove_second_factor(client, staff_member(Role.REVIEWER))
    case = case_of(child)
    url = reverse("retention:case", args=[case.reference])
    assert b"has named no parent so far" in client.get(url).content
    asked(child, now=timezone.now())
    assert b"A parent was asked on" in client.get(url).content
    send = reverse("retention:parent", args=[case.reference])
    client.post(send, {"parent-reason": "So", "parent-method": "form"})
    assert Subject.objects.get(pk=child.subject_id).locked


def test_person_of_age_ends_the_careful_settings_with_a_button(
    wecustomers: PolicyVersion, client: Client
) -> None:
    user = minor(years=17)
    log_in(client, user)
    url = reverse("accounts:end_careful_settings")
    assert client.get(url).status_code == 405
    assert client.post(url)["Location"] == reverse("accounts:birth_date")
    assert Subject.objects.get(pk=user.subject_id).minor is True
    AgeVerdict.objects.filter(subject=user.subject).update(born_on="1990-01-01")
    assert client.post(url)["Location"] == reverse("consent:choices")
    assert Subject.objects.get(pk=user.subject_id).minor is False


def test_codes_are_limited_for_one_address_of_a_network(child: User, client: Client) -> None:
    path = link_to(asked(child, now=timezone.now()))
    answers = [client.post(f"{path}code/").status_code for _ in range(21)]
    assert answers[0] == 302
    assert answers[-1] == 429
    assert Message.objects.filter(template="guardian_code").count() == 1
    assert timedelta(minutes=1) == guardian_access.CODE_PAUSE
