"""Removing one's address without an account, keeping it removed, and lifting that."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from cryptography.fernet import Fernet
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import invitations, suppressions
from accounts.controls.invitations import removal
from accounts.models import Invitation, Suppression, User
from accounts.suppressions import Wish
from audit.log import VISITOR
from audit.models import AuditEntry
from consent import delivery, mail
from consent.models import Message
from datamap.encryption import hash_version, keyed_hash
from policy.models import PolicyVersion
from retention import sweep
from tests.accounts.dump import dump
from tests.factories.accounts import member
from tests.factories.invitations import FRIEND, NOW, invite, invited, letter_to
from tests.plugins.smtp import Server

LINK = re.compile(r"http\S+(/invitations/proved/\S+)")


@pytest.fixture(autouse=True)
def no_counts() -> None:
    cache.clear()


@pytest.fixture
def robin(wecustomers: PolicyVersion) -> User:
    return member()


def stranger() -> Client:
    """A browser that keeps nothing and sends no token of a form."""
    return Client(enforce_csrf_checks=True)


def remove_page(token: str) -> str:
    return reverse("accounts:invitation_remove", args=[token])


def asked(wish: Wish, address: str = FRIEND) -> str:
    """The path in the mail that a form sent."""
    suppressions.ask(address=address, wish=wish, now=NOW)
    message = Message.objects.filter(template=f"invitation_{wish}").latest("posted_at")
    found = LINK.search(mail.text_of(message))
    assert found is not None
    return found[1]


def test_looking_changes_nothing(robin: User) -> None:
    token = invited(robin)
    before = dump()
    page = stranger().get(remove_page(token))
    assert page.status_code == 200
    assert "Nothing has changed yet" in page.content.decode()
    assert dump() == before


def test_one_click_removes_without_log_in_or_cookie(robin: User) -> None:
    token = invited(robin)
    response = stranger().post(remove_page(token), {"List-Unsubscribe": "One-Click"})
    assert (response.status_code, dict(response.cookies)) == (200, {})
    assert "no-store" in response["Cache-Control"]
    assert Invitation.objects.count() == 0
    message = Message.objects.get(category="invitation")
    assert (message.state, message.sealed) == ("refused", None)
    (kept,) = Suppression.objects.all()
    assert (kept.address_hash, kept.key_version) == (keyed_hash(FRIEND), hash_version())
    assert (kept.basis, kept.subject) == ("link", None)
    entry = AuditEntry.objects.get(verb="accounts.invitee-removed")
    assert entry.facts == {"invitations": 1, "unsent": 1, "basis": "link"}


def test_removing_takes_every_invitation_and_leaves_no_trace(robin: User) -> None:
    token = invited(robin)
    invite(member())
    stranger().post(remove_page(token))
    assert Invitation.objects.count() == 0
    everything = {table: rows for table, rows in dump().items() if keyed_hash(FRIEND) in str(rows)}
    assert set(everything) == {"accounts_suppression", "consent_message"}
    assert FRIEND not in str(dump())


def test_inviting_a_removed_address_sends_nothing_and_tells_nobody(robin: User) -> None:
    stranger().post(remove_page(invited(robin)))
    browser = Client()
    browser.force_login(robin)
    page = reverse("accounts:invitations")
    answers = [
        browser.post(page, {"email": address}, follow=True)
        for address in (FRIEND, "other@example.com")
    ]
    texts = [re.sub(r"\d+|csrf\S+|value=\S+", "", a.content.decode()) for a in answers]
    assert texts[0] == texts[1]
    assert "one message goes" in texts[0]
    assert not Invitation.objects.filter(address_hash=keyed_hash(FRIEND)).exists()
    open_ones = Message.objects.filter(address_hash=keyed_hash(FRIEND)).exclude(state="refused")
    assert open_ones.count() == 0


def test_link_works_once(robin: User) -> None:
    token = invited(robin)
    stranger().post(remove_page(token))
    again = stranger().post(remove_page(token))
    assert again.status_code == 404
    assert "leads nowhere any more" in again.content.decode()
    assert Suppression.objects.count() == 1
    accepting = stranger().get(reverse("accounts:invitation", args=[token]))
    assert accepting.status_code == 404


def test_message_that_left_before_stays_on_record_only(robin: User, smtp: Server) -> None:
    token = invited(robin)
    delivery.deliver_due(clock=lambda: NOW, budget=timedelta(seconds=5))
    stranger().post(remove_page(token))
    assert Message.objects.get(category="invitation").state == "sent"
    assert Invitation.objects.count() == 0


def test_removing_twice_changes_nothing(robin: User) -> None:
    for _ in range(2):
        suppressions.remove_address(
            address=FRIEND.upper(), basis=Suppression.Basis.DESK, actor=VISITOR, now=NOW
        )
    assert Suppression.objects.count() == 1


def test_form_mails_a_link_that_removes(robin: User) -> None:
    invite(robin)
    path = asked(Wish.REMOVE)
    assert Invitation.objects.count() == 1
    assert stranger().get(path).status_code == 200
    assert Invitation.objects.count() == 1
    browser = Client()
    done = browser.post(path)
    assert "Your address is removed" in done.content.decode()
    assert (Invitation.objects.count(), Suppression.objects.get().basis) == (0, "form")
    assert "After 5 years" in done.content.decode()


def test_lifting_lets_people_invite_again(robin: User) -> None:
    stranger().post(remove_page(invited(robin)))
    path = asked(Wish.LIFT)
    assert Suppression.objects.count() == 1
    assert "People can invite you again" in Client().post(path).content.decode()
    assert Suppression.objects.count() == 0
    invite(robin)
    assert letter_to().state == "queued"  # the first one had never left


def test_after_lifting_there_is_still_one_message_in_a_period(robin: User, smtp: Server) -> None:
    token = invited(robin)
    delivery.deliver_due(clock=lambda: NOW, budget=timedelta(seconds=5))
    stranger().post(remove_page(token))
    Client().post(asked(Wish.LIFT))
    invite(robin)
    assert Message.objects.filter(category="invitation").count() == 1
    assert Invitation.objects.count() == 1


def test_old_link_does_not_lift_a_later_removal(robin: User) -> None:
    suppressions.remove_address(
        address=FRIEND, basis=Suppression.Basis.FORM, actor=VISITOR, now=NOW
    )
    path = asked(Wish.LIFT)
    Client().post(path)
    suppressions.remove_address(
        address=FRIEND, basis=Suppression.Basis.FORM, actor=VISITOR, now=NOW
    )
    assert Client().post(path).status_code == 200
    assert Suppression.objects.count() == 1


def test_links_end_after_a_day_and_can_t_be_altered(robin: User) -> None:
    with time_machine.travel(NOW, tick=False):
        path = asked(Wish.REMOVE)
    with time_machine.travel(NOW + timedelta(hours=23, minutes=59), tick=False):
        assert Client().get(path).status_code == 200
        altered = path[:-3] + ("a/" if path[-2] != "a" else "b/")
        assert Client().post(altered).status_code == 404
    with time_machine.travel(NOW + timedelta(days=1, seconds=2), tick=False):
        assert Client().post(path).status_code == 404
    assert Suppression.objects.count() == 0


@pytest.mark.parametrize("name", ["remove_address", "lift_removal"])
def test_forms_answer_alike_for_every_address(
    robin: User, name: str, django_assert_num_queries: Any
) -> None:
    invite(robin)
    suppressions.remove_address(
        address="gone@example.com", basis=Suppression.Basis.FORM, actor=VISITOR, now=NOW
    )
    texts, counts = [], []
    for address in (FRIEND, "gone@example.com", robin.email, "nobody@example.com"):
        with CaptureQueriesContext(connection) as queries:
            page = Client().post(reverse(f"accounts:{name}"), {"email": address})
        texts.append(page.content.decode())
        counts.append(len(queries))
        mailed = Message.objects.filter(address_hash=keyed_hash(address), category="answer")
        assert mailed.count() == 1
    assert len(set(texts)) == 1
    assert len(set(counts)) == 1, counts
    assert "Look into your mail" in texts[0]


def test_form_floods_nobody(robin: User) -> None:
    for _ in range(5):
        Client().post(reverse("accounts:remove_address"), {"email": FRIEND})
    assert Message.objects.filter(template="invitation_remove").count() == 3


def test_suppression_outlives_a_new_key_and_needs_the_old_one(robin: User, settings: Any) -> None:
    suppressions.remove_address(
        address=FRIEND, basis=Suppression.Basis.FORM, actor=VISITOR, now=NOW
    )
    (old,) = settings.KEPT_ENCRYPTION_KEYS
    new = Fernet.generate_key().decode()
    settings.KEPT_ENCRYPTION_KEYS = [new, old]
    assert suppressions.is_suppressed(address=FRIEND)
    settings.KEPT_ENCRYPTION_KEYS = [new]
    assert not suppressions.is_suppressed(address=FRIEND)
    assert str(Suppression.objects.get().pk) in removal(NOW).violations


def test_suppression_ends_with_its_period(robin: User) -> None:
    suppressions.remove_address(
        address=FRIEND, basis=Suppression.Basis.FORM, actor=VISITOR, now=NOW
    )
    sweep.sweep(now=NOW + timedelta(days=5 * 365))
    assert Suppression.objects.count() == 1
    sweep.sweep(now=NOW + timedelta(days=5 * 365 + 3))
    assert Suppression.objects.count() == 0


def test_member_s_removal_is_theirs_and_survives_their_account(robin: User) -> None:
    friend = member()
    token = invited(robin, friend.email)
    stranger().post(remove_page(token))
    assert Suppression.objects.get().subject_id == friend.subject_id


def test_somebody_else_s_yes_is_no_proof_of_whose_address_it_is(robin: User) -> None:
    token = invited(robin)
    found = invitations.find(token)
    assert found is not None
    friend = member()
    invitations.joining(invitation_id=found.pk, subject_id=friend.subject_id, now=NOW)
    stranger().post(remove_page(token))
    assert Suppression.objects.get().subject is None
