"""Whoever takes back the consent to a transfer leaves, as the policy says."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from audit.log import person
from consent import ledger
from consent.ledger import Shown
from consent.models import Choice, Message
from datamap.models import Subject
from policy.models import PolicyVersion
from requests import deletion, links, review
from requests.models import Request
from tests.factories.accounts import member, prove_second_factor, staff_member
from tests.factories.requests import NOW, approved

SHOWN = Shown(text="Take it back?", surface="choices")


def take_back(subject: Subject) -> None:
    ledger.say_no(
        subject_id=subject.pk,
        kind="transfer",
        key="united-states",
        shown=SHOWN,
        actor=person(subject.pk),
        now=NOW,
    )


def agree(subject: Subject) -> None:
    ledger.say_yes(
        subject_id=subject.pk,
        kind="transfer",
        key="united-states",
        shown=SHOWN,
        actor=person(subject.pk),
        now=NOW,
    )


def test_withdrawn_transfer_opens_a_deletion_request(wecustomers: PolicyVersion) -> None:
    user = member()
    assert Request.objects.count() == 0
    ledger.say_no(
        subject_id=user.subject_id,
        kind="transfer",
        key="united-states",
        shown=Shown(text="Take it back?", surface="choices"),
        actor=person(user.subject_id),
        now=NOW,
    )
    request = Request.objects.get()
    assert (request.subject_id, request.kind, request.state) == (
        user.subject_id,
        "deletion",
        "in_review",
    )


def test_withdrawn_mail_opens_nothing(wecustomers: PolicyVersion) -> None:
    user = member()
    for act in (ledger.say_yes, ledger.say_no):
        act(
            subject_id=user.subject_id,
            kind="mail",
            key="service-news",
            shown=Shown(text="News?", surface="choices"),
            actor=person(user.subject_id),
            now=NOW,
        )
    assert Request.objects.count() == 0


def test_somebody_without_any_address_takes_a_transfer_back(wecustomers: PolicyVersion) -> None:
    subject = Subject.objects.create(created_at=NOW)
    agree(subject)
    take_back(subject)
    assert Choice.objects.get(subject=subject, kind="transfer").decision == "withdrawn"
    request = Request.objects.get()
    assert (request.subject_id, request.state) == (subject.pk, "in_review")
    assert not Message.objects.exists()
    assert request.links.count() == 1
    # The desk can decide all the same: there is only nobody to write to.
    reviewer = staff_member()
    done = review.approve(request_id=request.pk, reviewer=reviewer, now=NOW)
    assert (done.state, done.answer_id) == ("approved", None)


def test_request_stays_until_the_transfer_is_agreed_to_again(wecustomers: PolicyVersion) -> None:
    user = member()
    take_back(user.subject)
    request = Request.objects.get()
    with pytest.raises(deletion.TransferRefused, match="no consent stands") as refused:
        review.withdraw(request_id=request.pk, actor=person(user.subject_id), now=NOW)
    assert refused.value.title == wecustomers.document.transfers[0].title
    request.refresh_from_db()
    assert (request.state, request.closed_at) == ("in_review", None)
    agree(user.subject)
    taken = review.withdraw(request_id=request.pk, actor=person(user.subject_id), now=NOW)
    assert taken.state == "withdrawn"
    # And once more, from the start.
    take_back(user.subject)
    assert Request.objects.filter(state="in_review").count() == 1


def test_undoing_an_approved_request_needs_the_transfer_too(wecustomers: PolicyVersion) -> None:
    user = member()
    request = approved(user, staff_member())
    take_back(user.subject)
    with pytest.raises(deletion.TransferRefused):
        review.withdraw(request_id=request.pk, actor=person(user.subject_id), now=NOW)
    request.refresh_from_db()
    assert (request.state, request.erasure is not None) == ("approved", True)
    agree(user.subject)
    later = NOW + timedelta(minutes=1)
    taken = review.withdraw(request_id=request.pk, actor=person(user.subject_id), now=later)
    assert taken.state == "withdrawn"


@pytest.mark.parametrize("by_link", [False, True])
def test_page_says_to_agree_first(
    wecustomers: PolicyVersion, client: Client, by_link: bool
) -> None:
    user: User = member()
    take_back(user.subject)
    request = Request.objects.get()
    client.force_login(user)
    address = reverse("requests:own_withdraw", args=[request.reference])
    if by_link:
        client.logout()
        token = links.mint(request=request, now=NOW + timedelta(days=400))
        address = reverse("requests:status_withdraw", args=[token])
    page = client.post(address, follow=True)
    assert page.status_code == 200
    assert "Agree to it again" in page.content.decode()
    request.refresh_from_db()
    assert request.state == "in_review"


def test_reviewer_is_told_that_a_transfer_was_taken_back(
    client: Client, wecustomers: PolicyVersion
) -> None:
    user = member()
    agree(user.subject)
    take_back(user.subject)
    request = Request.objects.get()
    prove_second_factor(client, staff_member())
    page = reverse("requests:case", args=[request.reference])
    title = wecustomers.document.transfers[0].title
    assert client.get(page).context["refused_transfer"] == title
    assert "The consent this account hangs on was taken back" in client.get(page).content.decode()
    agree(user.subject)
    assert client.get(page).context["refused_transfer"] == ""
    assert "was taken back" not in client.get(page).content.decode()
