"""The pages of inviting, as they are served."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import connections, invitations
from accounts.models import Invitation, Referral, User
from accounts.registration import confirm_address
from consent.models import Message
from datamap.models import Subject
from policy.models import PolicyVersion
from tests.accounts.dump import dump
from tests.factories.accounts import PASSWORD, member
from tests.factories.invitations import FRIEND, invite, invited

HERE = "/privacy/invitations/"


@pytest.fixture(autouse=True)
def no_counts() -> None:
    cache.clear()


@pytest.fixture
def robin(wecustomers: PolicyVersion) -> User:
    return member(first_name="Robin", last_name="Doe")


@pytest.fixture
def browser(robin: User) -> Client:
    client = Client()
    client.force_login(robin)
    return client


def page_of(token: str) -> str:
    return reverse("accounts:invitation", args=[token])


def test_page_invites_and_shows_counts_only(browser: Client, robin: User) -> None:
    page = browser.get(HERE)
    assert "You can invite 10 more people today." in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    done = browser.post(HERE, {"email": FRIEND}, follow=True).content.decode()
    assert "one message goes" in done
    assert "1 invited, 0 accepted" in done
    assert "You can invite 9 more people today." in done
    assert FRIEND not in done
    assert Message.objects.filter(category="invitation").count() == 1


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "friend",
        "a@example.com, b@example.com",
        "a@example.com;b@example.com",
        "a@example.com b@example.com",
        '"a@example.com, b"@example.com',
        "Friend <friend@example.com>",
        "friend@example.com\r\nBcc: all@example.com",
        "friend@example.com\nBcc:x",
        "friend@example.com%0abcc:x@example.com",
        "fri\x07end@example.com",
        "friend@example.com\u202e",
        "\u200bfriend@example.com",
        pytest.param("a" * 1_000_000, id="a megabyte"),
        "<script>alert(1)</script>@example.com",
    ],
)
def test_anything_but_one_address_is_refused_beside_its_field(browser: Client, typed: str) -> None:
    page = browser.post(HERE, {"email": typed})
    assert page.status_code in (200, 400)
    if page.status_code == 200:
        text = page.content.decode()
        assert 'aria-invalid="true"' in text
        assert "<script>alert" not in text
    assert (Invitation.objects.count(), Message.objects.filter(category="invitation").count()) == (
        0,
        0,
    )
    assert Referral.objects.count() == 0


def test_own_address_is_refused_clearly(browser: Client, robin: User) -> None:
    page = browser.post(HERE, {"email": robin.email.upper()})
    assert "This is your own address." in page.content.decode()


def test_full_day_says_so(browser: Client, robin: User) -> None:
    for number in range(10):
        invite(robin, f"f{number}@example.com", now=timezone.now())
    assert "as many people as possible today" in browser.get(HERE).content.decode()
    page = browser.post(HERE, {"email": FRIEND})
    assert "You invited 10 people today" in page.content.decode()


def test_member_and_stranger_are_answered_alike(browser: Client, robin: User) -> None:
    browser.post(HERE, {"email": "first@example.com"})
    counts = []
    for address in (member().email, FRIEND, FRIEND):
        with CaptureQueriesContext(connection) as queries:
            answer = browser.post(HERE, {"email": address})
        assert (answer.status_code, answer["Location"]) == (302, HERE)
        counts.append(len(queries))
    assert len(set(counts)) == 1, counts


def test_visitors_are_asked_to_sign_in(wecustomers: PolicyVersion) -> None:
    page = Client().get(HERE)
    assert (page.status_code, page["Location"].split("?")[0]) == (302, "/accounts/login/")


@pytest.mark.parametrize("site", ["weapp", "weinterrupt", "wespro", "clickandchat"])
def test_policy_without_invitations_has_no_pages(
    policy_of: Callable[[str], PolicyVersion], site: str
) -> None:
    policy_of(site)
    client = Client()
    client.force_login(member())
    for path in (HERE, "/invitations/remove/", "/invitations/lift/", page_of("x" * 32)):
        assert client.get(path).status_code == 404
        assert client.post(path, {"email": FRIEND}).status_code == 404
    assert HERE not in client.get("/privacy/").content.decode()


def test_pages_of_many_days_cost_as_much_as_of_one(browser: Client, robin: User) -> None:
    counts = []
    for number in range(3):
        Referral.objects.create(
            inviter=robin.subject, day=timezone.now().date() - timedelta(days=number), made=3
        )
        invite(member(first_name=f"N{number}"), robin.email, now=timezone.now())
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(HERE).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[2]


def test_invited_stranger_reads_who_invites_and_nothing_happens(robin: User) -> None:
    token = invited(robin)
    before = dump()
    page = Client().get(page_of(token)).content.decode()
    assert "Robin Doe invites you to WeCustomers" in page
    assert "Remove my address" in page
    assert robin.email not in page
    assert dump() == before


@pytest.mark.parametrize("token", ["unknown", "x" * 32, "remove-", "-" * 300])
def test_unknown_links_lead_to_the_ways_that_are_left(robin: User, token: str) -> None:
    for path in (page_of(token), reverse("accounts:invitation_remove", args=[token])):
        page = Client().get(path)
        assert page.status_code == 404
        assert "/invitations/remove/" in page.content.decode()


def test_signed_in_friend_accepts_with_a_press(robin: User) -> None:
    friend, client = member(), Client()
    token = invited(robin)
    client.force_login(friend)
    done = client.post(page_of(token), follow=True)
    assert "You two are connected now." in done.content.decode()
    assert connections.connected_with(
        subject_ids=[friend.subject_id], viewer_id=robin.subject_id
    ) == {friend.subject_id}
    assert client.post(page_of(token)).status_code == 404


def test_inviter_can_t_accept_their_own(browser: Client, robin: User) -> None:
    token = invited(robin)
    done = browser.post(page_of(token), follow=True).content.decode()
    assert "This invitation is your own." in done
    assert Invitation.objects.count() == 1


def test_stranger_signs_up_confirms_and_is_connected(robin: User) -> None:
    token, client = invited(robin, now=timezone.now()), Client()
    assert client.post(page_of(token))["Location"] == reverse("accounts:signup")
    born = {"day": 1, "month": 1, "year": 1990}
    assert client.post(reverse("accounts:age"), born).status_code == 302
    form = {
        "first_name": "Wren",
        "last_name": "Low",
        "email": "wren@example.com",
        "password": PASSWORD,
        "transfer-united-states": "yes",
    }
    assert client.post(reverse("accounts:signup"), form).status_code == 302
    wren = User.objects.get(email="wren@example.com")
    assert Invitation.objects.get().invitee_id == wren.subject_id
    assert "invitation" not in client.session
    assert confirm_address(email_address=EmailAddress.objects.get(user=wren), now=timezone.now())
    assert connections.connected_with(
        subject_ids=[wren.subject_id], viewer_id=robin.subject_id
    ) == {wren.subject_id}
    assert Referral.objects.get().accepted == 1


def test_received_invitations_are_answered_on_ones_own_page(browser: Client, robin: User) -> None:
    other, third = member(first_name="Ann", last_name="Orr"), member()
    invite(other, robin.email)
    invite(third, robin.email)
    page = browser.get(HERE).content.decode()
    assert "Ann Orr would like to be connected with you." in page
    mine = list(invitations.received(robin.subject_id))
    answer = "accounts:answer_invitation"
    for row, said in zip(mine, ("accept", "decline"), strict=True):
        assert browser.post(reverse(answer, args=[row.handle]), {"answer": said}).status_code == 302
    assert Invitation.objects.count() == 0
    assert sum(Referral.objects.values_list("accepted", flat=True)) == 1


def test_nobody_answers_somebody_else_s_invitation(browser: Client, robin: User) -> None:
    friend = member()
    invite(member(), friend.email)
    row = Invitation.objects.get()
    address = reverse("accounts:answer_invitation", args=[row.handle])
    assert browser.post(address, {"answer": "accept"}).status_code == 404
    assert browser.get(address).status_code == 405
    assert Invitation.objects.count() == 1


def test_locked_inviter_is_nobody_to_join(robin: User) -> None:
    token = invited(robin)
    Subject.objects.filter(pk=robin.subject_id).update(locked=True)
    assert Client().get(page_of(token)).status_code == 404


def test_forms_need_their_token(robin: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(robin)
    for path in (HERE, page_of(invited(robin)), "/invitations/remove/"):
        assert strict.post(path, {"email": FRIEND}).status_code == 403


def test_too_many_tries_are_stopped(browser: Client, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "invite": "2/h/user"}
    answers = [browser.post(HERE, {"email": f"f{n}@example.com"}).status_code for n in range(3)]
    assert answers == [302, 302, 429]
