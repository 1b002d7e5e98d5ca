"""The pages: who gets in, what they say, how much work they do, what bad input does."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from audit.models import StaffAccess
from policy.models import PolicyVersion
from requests import links, wording
from requests.models import Request, RequestEvent
from tests.factories.accounts import (
    PASSWORD,
    member,
    prove_second_factor,
    reauthenticated,
    staff_member,
)
from tests.factories.requests import approved, asked, asked_with_link, erased

PERSONAL = {"Cache-Control": "private, no-store", "X-Robots-Tag": "noindex, noarchive"}


@pytest.fixture
def reviewer(wecustomers: PolicyVersion) -> User:
    return staff_member()


@pytest.fixture
def desk_client(client: Client, reviewer: User) -> Client:
    return prove_second_factor(client, reviewer)


def logged_in(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def personal(response: Any) -> dict[str, str]:
    return {name: response.headers.get(name, "") for name in PERSONAL}


# Asking -----------------------------------------------------------------------------------------


def test_delete_page_explains_and_asks_nothing_yet(
    client: Client, wecustomers: PolicyVersion
) -> None:
    response = logged_in(client, member()).get(reverse("requests:delete"))
    text = response.content.decode()
    assert personal(response) == PERSONAL
    for words in (wording.copies_notice(), "Your account", "The log of what happened"):
        assert words.replace("'", "&#x27;") in text
    assert Request.objects.count() == 0


def test_asking_needs_a_fresh_proof_and_goes_on_after_it(
    client: Client, wecustomers: PolicyVersion
) -> None:
    user = member()
    response = logged_in(client, user).post(reverse("requests:delete"))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_reauthenticate"))
    assert Request.objects.count() == 0
    response = client.post(response["Location"], {"password": PASSWORD})
    request = Request.objects.get()
    assert response["Location"] == reverse("requests:own", args=[request.reference])
    assert request.subject_id == user.subject_id


def test_asking_twice_leads_to_the_same_request(client: Client, wecustomers: PolicyVersion) -> None:
    reauthenticated(client, member())
    first = client.post(reverse("requests:delete"))
    assert client.post(reverse("requests:delete"))["Location"] == first["Location"]
    assert b"You have asked for this already" in client.get(reverse("requests:delete")).content


def test_visitors_are_sent_to_sign_in(client: Client, wecustomers: PolicyVersion) -> None:
    for name in ("requests:delete", "requests:list", "requests:data", "requests:desk", "privacy"):
        response = client.get(reverse(name))
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("account_login"))


# Following --------------------------------------------------------------------------------------


def test_status_page_tells_steps_to_whoever_has_the_link(
    client: Client, wecustomers: PolicyVersion
) -> None:
    request, token = asked_with_link(member(), now=timezone.now())
    response = client.get(reverse("requests:status", args=[token]))
    text = response.content.decode()
    assert personal(response) == PERSONAL
    for words in (request.name, "We got your request", "You confirmed it is you", "A person reads"):
        assert words in text
    assert 'hx-trigger="every 4s"' in text


def test_status_page_works_when_the_account_is_gone(
    client: Client, reviewer: User, wecustomers: PolicyVersion
) -> None:
    user = member()
    _request, token = asked_with_link(user, now=timezone.now())
    erased(user, reviewer, now=timezone.now())
    text = client.get(reverse("requests:status", args=[token])).content.decode()
    assert "nothing was left behind" in text
    assert "What was kept, why and until when" in text
    assert "Showing what we did" in text
    assert "hx-get" not in text


def test_poll_of_an_unchanged_state_is_answered_empty(
    client: Client, wecustomers: PolicyVersion
) -> None:
    _request, token = asked_with_link(member(), now=timezone.now())
    page = client.get(reverse("requests:status", args=[token]))
    poll = page.context["poll_url"]
    assert client.get(poll, headers={"HX-Request": "true"}).status_code == 204
    assert client.get(poll).status_code == 200
    RequestEvent.objects.create(request=Request.objects.get(), step="claimed", at=timezone.now())
    assert client.get(poll, headers={"HX-Request": "true"}).status_code == 200


def test_links_that_lead_nowhere_all_look_alike(client: Client, wecustomers: PolicyVersion) -> None:
    _request, token = asked_with_link(member(), now=timezone.now())
    wrong = [token[:-1], token + "A", token[::-1], "A" * 43, "%00" + token[3:], "A" * 4000]
    pages = [client.get(f"/requests/{each}/") for each in wrong]
    assert [page.status_code for page in pages] == [404] * len(wrong)
    Request.objects.get().links.update(expires_at=timezone.now())
    expired = client.get(reverse("requests:status", args=[token]))
    assert expired.status_code == 404
    assert expired.content == pages[3].content


def test_link_can_withdraw(client: Client, wecustomers: PolicyVersion) -> None:
    request, token = asked_with_link(member(), now=timezone.now())
    response = client.post(reverse("requests:status_withdraw", args=[token]))
    assert response["Location"] == reverse("requests:status", args=[token])
    request.refresh_from_db()
    assert request.state == "withdrawn"
    again = client.post(reverse("requests:status_withdraw", args=[token]), follow=True)
    assert b"This can&#x27;t be withdrawn any more." in again.content


def test_withdrawing_needs_a_post(client: Client, wecustomers: PolicyVersion) -> None:
    request, token = asked_with_link(member(), now=timezone.now())
    assert client.get(reverse("requests:status_withdraw", args=[token])).status_code == 405
    request.refresh_from_db()
    assert request.state == "in_review"


def test_other_peoples_requests_do_not_exist(client: Client, wecustomers: PolicyVersion) -> None:
    request = asked(member(), now=timezone.now())
    logged_in(client, member())
    own = reverse("requests:own", args=[request.reference])
    nobodys = client.get(reverse("requests:own", args=["0123456789AB"]))
    assert (client.get(own).status_code, nobodys.status_code) == (404, 404)
    withdraw = reverse("requests:own_withdraw", args=[request.reference])
    assert client.post(withdraw).status_code == 404
    assert request.reference not in client.get(reverse("requests:list")).content.decode()
    assert client.get(reverse("requests:case", args=[request.reference])).status_code == 403
    request.refresh_from_db()
    assert request.state == "in_review"


def test_own_request_can_be_followed_and_withdrawn(
    client: Client, wecustomers: PolicyVersion
) -> None:
    user = member()
    request = asked(user, now=timezone.now())
    logged_in(client, user)
    assert request.name in client.get(reverse("requests:list")).content.decode()
    assert client.get(reverse("requests:own", args=[request.reference])).status_code == 200
    client.post(reverse("requests:own_withdraw", args=[request.reference]))
    request.refresh_from_db()
    assert request.state == "withdrawn"


def test_what_we_hold_counts_the_rows_that_are_there(
    client: Client, wecustomers: PolicyVersion
) -> None:
    user = member()
    member()
    asked(user, now=timezone.now())
    response = logged_in(client, user).get(reverse("requests:data"))
    held = {kind.title: kind for kind in response.context["held"]}
    assert held["What you asked us"].rows == 1
    assert held["The steps of your requests"].rows == 2
    assert held["Your account"].rows == 1
    assert "e-mail address" in held["Your account"].categories
    assert "Your account" in held["Your account"].purposes
    assert held["What you asked us"].periods == [
        "Your requests and our answers stay for two years after they are closed."
    ]
    assert "Your second factor" in {kind.title for kind in response.context["absent"]}


# The desk ---------------------------------------------------------------------------------------


def test_desk_masks_addresses(desk_client: Client) -> None:
    asked(member(email="joan.doe@example.com"), now=timezone.now())
    text = desk_client.get(reverse("requests:desk")).content.decode()
    assert "j•••@example.com" in text
    assert "joan" not in text


@pytest.mark.parametrize("show", ["open", "approved", "closed", "all", "", "drop table", "\x00"])
def test_desk_filters(desk_client: Client, reviewer: User, show: str) -> None:
    now = timezone.now()
    waits, goes, gone = asked(member(), now=now), member(), member()
    approved(goes, reviewer, now=now)
    erased(gone, reviewer, now=now)
    page = desk_client.get(reverse("requests:desk"), {"show": show, "page": "zero"})
    shown = [line.request.state for line in page.context["lines"]]
    expected = {
        "approved": [],  # the worker of the third request took the second one with it
        "closed": ["completed", "completed"],
        "all": ["completed", "completed", "in_review"],
    }
    assert sorted(shown) == expected.get(show, ["in_review"])
    assert [choice.count for choice in page.context["filters"]] == [1, 0, 2, 3]
    assert waits.state == "in_review"


def test_opening_a_case_is_written_down_first(desk_client: Client, reviewer: User) -> None:
    user = member()
    request = asked(user, now=timezone.now())
    response = desk_client.get(reverse("requests:case", args=[request.reference]))
    assert response.status_code == 200
    access = StaffAccess.objects.get()
    assert (access.staff_id, access.subject_id) == (reviewer.pk, user.subject_id)
    assert access.task == f"request:{request.reference}"
    assert access.permission == "requests.review"
    assert user.email not in response.content.decode()


def test_case_shows_what_would_go_and_what_stays(desk_client: Client) -> None:
    request = asked(member(), now=timezone.now())
    response = desk_client.get(reverse("requests:case", args=[request.reference]))
    rows = {step.holding: (step.rows, step.kept) for step in response.context["preview"]}
    assert rows["accounts.account"] == (1, 0)
    assert rows["requests.event"] == (0, 2)


def test_reviewer_approves_on_the_page(desk_client: Client) -> None:
    request = asked(member(), now=timezone.now())
    url = reverse("requests:approve", args=[request.reference])
    assert desk_client.get(url).status_code == 405
    page = desk_client.post(url, follow=True)
    assert b"Your approval is stored." in page.content
    request.refresh_from_db()
    assert request.state == "approved"
    again = desk_client.post(url, follow=True)
    assert "Nothing has changed: this request is “Approved”." in again.content.decode()


def test_reviewer_takes_and_gives_back(desk_client: Client, reviewer: User) -> None:
    request = asked(member(), now=timezone.now())
    desk_client.post(reverse("requests:claim", args=[request.reference]))
    request.refresh_from_db()
    assert request.claimed_by_id == reviewer.subject_id
    desk_client.post(reverse("requests:release", args=[request.reference]))
    request.refresh_from_db()
    assert request.claimed_by_id is None


def test_own_case_offers_no_decision(desk_client: Client, reviewer: User) -> None:
    request = asked(reviewer, now=timezone.now())
    text = desk_client.get(reverse("requests:case", args=[request.reference])).content.decode()
    assert "Nobody decides on themselves." in text
    assert reverse("requests:approve", args=[request.reference]) not in text
    page = desk_client.post(reverse("requests:approve", args=[request.reference]), follow=True)
    assert b"Somebody else decides on it." in page.content
    request.refresh_from_db()
    assert request.state == "in_review"


@pytest.mark.parametrize(
    ("reason", "complaint"),
    [
        ("", "Write why. The person reads it."),
        ("x" * 4001, "at most 4000 characters"),
        ("x" * 900_000, "at most 4000 characters"),
        ("a\x00b", "Null characters are not allowed."),
    ],
)
def test_denial_with_a_bad_reason_names_the_field(
    desk_client: Client, reason: str, complaint: str
) -> None:
    request = asked(member(), now=timezone.now())
    url = reverse("requests:deny", args=[request.reference])
    response = desk_client.post(url, {"deny-reason": reason, "state": "completed"})
    assert response.status_code == 422
    assert complaint in response.content.decode()
    request.refresh_from_db()
    assert (request.state, request.reason) == ("in_review", None)


def test_denial_that_fills_the_line_is_refused_whole(desk_client: Client) -> None:
    request = asked(member(), now=timezone.now())
    url = reverse("requests:deny", args=[request.reference])
    assert desk_client.post(url, {"deny-reason": "x" * 2_000_000}).status_code in (400, 413)


def test_reasons_are_shown_as_text(desk_client: Client) -> None:
    request, token = asked_with_link(member(), now=timezone.now())
    url = reverse("requests:deny", args=[request.reference])
    desk_client.post(url, {"deny-reason": "<script>alert(1)</script>"})
    text = desk_client.get(reverse("requests:status", args=[token])).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text


@pytest.mark.parametrize("role", ["support", "auditor"])
def test_readers_of_the_desk_can_not_decide(
    client: Client, wecustomers: PolicyVersion, role: str
) -> None:
    request = asked(member(), now=timezone.now())
    prove_second_factor(client, staff_member(role))
    assert client.get(reverse("requests:desk")).status_code == 200
    for name in ("case", "claim", "approve", "deny", "extend", "release"):
        url = reverse(f"requests:{name}", args=[request.reference])
        answer = client.get(url) if name == "case" else client.post(url)
        assert answer.status_code == 403, name


def test_reviewer_without_second_factor_does_not_get_in(
    client: Client, wecustomers: PolicyVersion
) -> None:
    request = asked(member(), now=timezone.now())
    client.force_login(staff_member())
    url = reverse("requests:case", args=[request.reference])
    assert client.get(url).status_code == 302
    client.force_login(staff_member(totp=False))
    assert client.get(url)["Location"] == reverse("mfa_activate_totp")
    assert StaffAccess.objects.count() == 0


# Work -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("people", [1, 3])
def test_desk_asks_as_much_for_three_as_for_one(desk_client: Client, people: int) -> None:
    for _person in range(people):
        asked(member(), now=timezone.now())
    with CaptureQueriesContext(connection) as queries:
        desk_client.get(reverse("requests:desk"))
    assert len(queries) == 6, [query["sql"][:120] for query in queries.captured_queries]


@pytest.mark.parametrize("rows", [1, 3])
def test_data_page_counts_in_two_queries_however_much_there_is(
    client: Client, wecustomers: PolicyVersion, rows: int
) -> None:
    user = member()
    for _row in range(rows):
        request = asked(user, now=timezone.now())
        Request.objects.filter(pk=request.pk).update(state="withdrawn", closed_at=timezone.now())
    logged_in(client, user)
    with CaptureQueriesContext(connection) as queries:
        client.get(reverse("requests:data"))
    assert len(queries) == 4, [query["sql"][:120] for query in queries.captured_queries]


@pytest.mark.parametrize("rows", [1, 3])
def test_status_page_asks_as_much_for_three_steps_as_for_one(
    client: Client, wecustomers: PolicyVersion, rows: int
) -> None:
    request, token = asked_with_link(member(), now=timezone.now())
    for _row in range(rows):
        RequestEvent.objects.create(request=request, step="claimed", at=timezone.now())
    with CaptureQueriesContext(connection) as queries:
        client.get(reverse("requests:status", args=[token]))
    assert len(queries) == 2, [query["sql"][:120] for query in queries.captured_queries]


def test_link_in_the_address_is_the_one_in_the_mail(wecustomers: PolicyVersion) -> None:
    _request, token = asked_with_link(member(), now=timezone.now())
    assert links.address(token).endswith(f"/requests/{token}/")
