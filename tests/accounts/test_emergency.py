"""Lost or stolen: stopped at once and reversibly, for good only after a second word."""

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

from accounts import emergency, keys, payments
from accounts.models import LossNotice, PaymentCard, PaymentToken, Session, User
from accounts.roles import Role
from audit.log import SYSTEM
from audit.models import AuditEntry, StaffAccess
from consent import mail
from consent.models import Message
from policy.models import PolicyVersion
from tests.factories.accounts import (
    PASSWORD,
    log_in,
    member,
    prove_second_factor,
    staff_member,
)
from tests.factories.api import made, with_key
from tests.factories.payments import kept_card, opened
from tests.factories.requests import erased

State, Route = LossNotice.State, LossNotice.Route
PAGE = "/report/stolen/"


@pytest.fixture(autouse=True)
def no_counts() -> None:
    cache.clear()


@pytest.fixture
def user(clickandchat: PolicyVersion) -> User:
    return member()


def stopped(user: User, *, password: bool = True, card: bool = True) -> LossNotice:
    """A notice about the person that a worker has acted on."""
    now = timezone.now()
    emergency.report(address=user.email, password=password, card=card, now=now)
    emergency.act(now=now)
    return LossNotice.objects.get(subject=user.subject, state=State.OPEN)


def link(template: str = "account_loss_noticed") -> str:
    """The path in the newest mail."""
    text = mail.text_of(Message.objects.filter(template=template).latest("posted_at"))
    found = re.search(r"http://[^/\s]+(/report/stolen/[\w-]+/)", text)
    assert found is not None, text
    return found[1]


def told(user: User) -> list[str]:
    """Templates of what the person was mailed about a loss, in order."""
    rows = Message.objects.filter(subject_id=user.subject_id, template__contains="loss")
    return list(rows.order_by("posted_at").values_list("template", flat=True))


def may_sign_in(user: User) -> bool:
    client = Client()
    client.post(reverse("account_login"), {"login": user.email, "password": PASSWORD})
    return "_auth_user_id" in client.session


def test_report_stops_everything_at_once(user: User) -> None:
    now = timezone.now()
    card, other = kept_card(user, now=now), kept_card(member(), now=now)
    payment = opened(user, card=card, now=now)
    browser, key = log_in(Client(), user), made(user).text
    notice = stopped(user)
    assert (notice.sessions_ended, notice.cards_frozen) == (1, 1)
    assert browser.get(reverse("privacy")).status_code == 302
    assert not Session.objects.filter(user=user).exists()
    assert keys.find(text=key, now=timezone.now()) is None
    assert may_sign_in(user) is False
    with pytest.raises(payments.Refused) as caught:
        payments.read_card(reference=payment.reference, actor=SYSTEM, now=timezone.now())
    assert caught.value.reason == "frozen"
    other.refresh_from_db()
    assert other.frozen_at is None
    assert told(user) == ["account_loss_noticed"]


def test_log_in_says_why_it_is_paused(user: User) -> None:
    stopped(user)
    client = Client()
    response = client.post(
        reverse("account_login"), {"login": user.email, "password": PASSWORD}, follow=True
    )
    assert response.redirect_chain == [(reverse("accounts:paused"), 302)]
    assert "we send a fresh link" in response.content.decode()
    wrong = client.post(reverse("account_login"), {"login": user.email, "password": "x" * 20})
    assert wrong.status_code == 200


def test_card_alone_lets_people_sign_in(user: User) -> None:
    kept_card(user, now=timezone.now())
    stopped(user, password=False)
    assert PaymentCard.objects.get().frozen_at is not None
    assert may_sign_in(user) is True


def test_taking_back_brings_everything_back(user: User) -> None:
    kept_card(user, now=timezone.now())
    key = made(user).text
    stopped(user)
    path = link()
    response = Client().post(path, {"answer": "undo"}, follow=True)
    assert "Everything works again" in response.content.decode()
    notice = LossNotice.objects.get()
    assert (notice.state, notice.route) == (State.UNDONE, Route.LINK)
    card = PaymentCard.objects.get()
    assert (card.frozen_at, card.frozen_by, card.dropped_at) == (None, None, None)
    assert PaymentToken.objects.count() == 1
    assert keys.find(text=key, now=timezone.now()) is not None
    assert may_sign_in(user) is True
    assert told(user) == ["account_loss_noticed", "account_loss_undone"]


def test_confirming_drops_tokens_and_voids_the_password(user: User) -> None:
    kept_card(user, now=timezone.now())
    key = made(user).text
    stopped(user)
    client = Client()
    response = client.post(link(), {"answer": "confirm"})
    assert response.status_code == 302
    assert response["Location"].startswith("http://") or response["Location"].startswith("/")
    notice = LossNotice.objects.get()
    assert (notice.state, notice.route) == (State.CONFIRMED, Route.LINK)
    assert notice.done_at == notice.confirmed_at == notice.closed_at
    card = PaymentCard.objects.get()
    assert (card.token_hash, PaymentToken.objects.count()) == (None, 0)
    assert card.dropped_at == notice.confirmed_at
    user.refresh_from_db()
    assert user.has_usable_password() is False
    assert keys.find(text=key, now=timezone.now()) is None
    assert may_sign_in(user) is False
    page = client.get(response["Location"], follow=True)
    form = page.context["form"]
    fresh = "quite another long password"
    done = client.post(
        page.request["PATH_INFO"], dict.fromkeys(list(form.fields), fresh), follow=True
    )
    assert done.status_code == 200
    user.refresh_from_db()
    assert user.check_password(fresh)
    entry = AuditEntry.objects.get(verb="accounts.loss-confirmed")
    assert entry.facts == {"route": "link", "cards_dropped": 1}


def test_confirming_a_lost_password_leaves_the_cards(user: User) -> None:
    kept_card(user, now=timezone.now())
    stopped(user, card=False)
    assert PaymentCard.objects.get().frozen_at is not None
    Client().post(link(), {"answer": "confirm"})
    card = PaymentCard.objects.get()
    assert (card.frozen_at, card.dropped_at, PaymentToken.objects.count()) == (None, None, 1)


def test_answer_counts_once(user: User) -> None:
    notice = stopped(user)
    path, client = link(), Client()
    client.post(path, {"answer": "undo"})
    again = client.post(path, {"answer": "confirm"}, follow=True)
    assert "Everything works again" in again.content.decode()
    with pytest.raises(emergency.Settled) as caught:
        emergency.confirm(notice_id=notice.pk, route=Route.LINK, now=timezone.now())
    assert caught.value.state == State.UNDONE
    user.refresh_from_db()
    assert user.has_usable_password() is True


def test_reading_the_link_changes_nothing(user: User) -> None:
    stopped(user)
    response = Client().get(link())
    assert (response.status_code, response["Cache-Control"]) == (200, "private, no-store")
    assert Client().head(link()).status_code == 200
    assert Client().post(link(), {"answer": "x"}).status_code == 200
    assert LossNotice.objects.get().state == State.OPEN
    assert user.email not in response.content.decode()


def test_wrong_and_old_links_lead_nowhere(user: User) -> None:
    notice = stopped(user)
    path = link()
    for wrong in (path[:-2] + "/", f"{PAGE}x/", f"{PAGE}{'x' * 300}/", f"{PAGE}%00/"):
        assert Client().post(wrong, {"answer": "confirm"}).status_code == 404
    token = path.removeprefix(PAGE).strip("/")
    assert notice.link_until is not None
    last = notice.link_until - timedelta(seconds=1)
    assert emergency.find(token=token, now=last) == notice
    assert emergency.find(token=token, now=notice.link_until) is None
    row = str(LossNotice.objects.values().get())
    assert token not in row


def test_second_report_joins_the_first(user: User) -> None:
    notice = stopped(user, card=False)
    emergency.report(address=user.email, password=False, card=True, now=timezone.now())
    assert emergency.act(now=timezone.now()) == 1
    joined = LossNotice.objects.get()
    assert (joined.pk, joined.password, joined.card) == (notice.pk, True, True)
    assert told(user) == ["account_loss_noticed"]
    later = timezone.now() + timedelta(hours=2)
    emergency.report(address=user.email, password=True, card=False, now=later)
    emergency.act(now=later)
    assert told(user) == ["account_loss_noticed"] * 2


def test_unknown_address_is_told_and_leaves_no_row(user: User) -> None:
    now = timezone.now()
    emergency.report(address="nobody@example.com", password=True, card=True, now=now)
    assert emergency.act(now=now) == 1
    assert LossNotice.objects.count() == 0
    message = Message.objects.get(template="account_loss_unknown")
    assert message.subject_id is None
    assert "nothing to stop" in mail.text_of(message)


def test_address_lies_encrypted_until_the_worker_comes(user: User) -> None:
    emergency.report(address=user.email, password=True, card=False, now=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(n::text, '') FROM accounts_lossnotice n")
        (text,) = cursor.fetchone()
    assert user.email not in text
    assert user.email.encode().hex() not in text
    with pytest.raises(ValueError, match="nothing"):
        emergency.report(address=user.email, password=False, card=False, now=timezone.now())


def test_page_answers_and_works_alike_for_every_address(user: User) -> None:
    seen = []
    for address in (user.email, "nobody@example.com", "Other@EXAMPLE.com"):
        client = Client()
        client.get(PAGE)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            response = client.post(PAGE, {"email": address, "lost": ["password", "card"]})
        shown = client.get(response["Location"])
        seen.append((response.status_code, response["Location"], shown.content, len(queries)))
    assert len({s[:2] for s in seen}) == 1
    assert len({s[3] for s in seen}) == 1
    assert len({re.sub(rb'nonce-[^"]+|csrf[^>]+', b"", s[2]) for s in seen}) == 1
    assert LossNotice.objects.filter(state=State.REPORTED).count() == 3


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "x", "lost": ["password"]}, "email"),
        ({"email": "a@example.com\nBcc: b@example.com", "lost": ["password"]}, "email"),
        ({"email": "a@example.com"}, "lost"),
        ({"email": "a@example.com", "lost": ["keys"]}, "lost"),
        ({"email": "4111111111111111@example.com", "lost": ["card"]}, "email"),
    ],
)
def test_wrong_report_is_refused_by_its_field(user: User, body: dict[str, Any], field: str) -> None:
    response = Client().post(PAGE, body)
    assert list(response.context["form"].errors) == [field]
    assert LossNotice.objects.count() == 0


def test_page_offers_cards_only_where_there_are_payments(
    wecustomers: PolicyVersion,
) -> None:
    text = Client().get(PAGE).content.decode()
    assert 'value="password"' in text
    assert 'value="card"' not in text


def test_address_is_not_reported_without_end(user: User) -> None:
    for _time in range(5):
        assert Client().post(PAGE, {"email": user.email, "lost": ["card"]}).status_code == 302
    assert LossNotice.objects.count() == 3


def test_staff_settle_for_somebody_they_know(user: User) -> None:
    kept_card(user, now=timezone.now())
    notice = stopped(user)
    support = staff_member(Role.SUPPORT)
    client = prove_second_factor(Client(), support)
    desk = client.get(reverse("accounts:losses")).content.decode()
    assert notice.reference in desk
    assert user.email not in desk
    path = reverse("accounts:settle_loss", args=[notice.reference])
    assert client.get(path).status_code == 200
    client.post(path, {"answer": "confirm"})
    assert LossNotice.objects.get().state == State.OPEN
    client.post(path, {"answer": "confirm", "reason": "Ticket 7, called back"})
    notice.refresh_from_db()
    assert (notice.state, notice.route, notice.decided_by) == (
        State.CONFIRMED,
        Route.STAFF,
        support.pk,
    )
    access = StaffAccess.objects.get(permission="accounts.losses")
    assert (access.subject_id, access.task) == (user.subject_id, f"loss:{notice.reference}")
    assert PaymentToken.objects.count() == 0
    assert client.post(path, {"answer": "undo", "reason": "again"}, follow=True).status_code == 200
    notice.refresh_from_db()
    assert notice.state == State.CONFIRMED


def test_nobody_on_the_staff_settles_their_own(user: User) -> None:
    support = staff_member(Role.SUPPORT)
    notice = stopped(support)
    for act in (emergency.confirm, emergency.undo):
        with pytest.raises(emergency.OwnNotice):
            act(notice_id=notice.pk, route=Route.STAFF, now=timezone.now(), decider=support)
    assert LossNotice.objects.get().state == State.OPEN


def test_erasing_takes_the_notice_along(user: User) -> None:
    kept_card(user, now=timezone.now())
    stopped(user)
    erased(user, staff_member())
    assert (LossNotice.objects.count(), PaymentCard.objects.count()) == (0, 0)


def test_key_works_again_only_for_its_owner(user: User) -> None:
    key = made(user, "choices:read").text
    program = with_key(key)
    assert program.get("/api/v1/me/").status_code == 200
    stopped(user)
    assert program.get("/api/v1/me/").status_code == 401
