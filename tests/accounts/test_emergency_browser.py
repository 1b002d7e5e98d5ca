"""A stolen card in a real browser, without script; cards and payments as their owner sees them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page

from accounts import emergency, payments
from accounts.models import LossNotice, PaymentCard, PaymentToken
from accounts.roles import Role
from audit.log import SYSTEM
from consent import mail
from consent.models import Message
from tests.factories.accounts import member, prove_second_factor, reauthenticated, staff_member
from tests.factories.payments import kept_card, opened
from tests.factories.policy import publish_file
from tests.plugins.looking import window, wrong

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
FRESH = "a wholly different pass phrase"


@pytest.fixture
def site(live_server: Any, settings: Any) -> str:
    settings.SITE_URL = live_server.url
    cache.clear()
    publish_file("policies/clickandchat.toml")
    return str(live_server.url)


def mailed_link() -> str:
    text = mail.text_of(Message.objects.get(template="account_loss_noticed"))
    found = re.search(r"\S+/report/stolen/\S+", text)
    assert found is not None
    return found[0]


def test_stolen_password_and_card_without_script(site: str, browser: Browser) -> None:
    user, now = member(), timezone.now()
    kept_card(user, now=now)
    options: dict[str, Any] = {
        "java_script_enabled": False,
        "viewport": {"width": 360, "height": 900},
    }
    with window(browser, site, Client(), **options) as page:
        page.goto(f"{site}/report/stolen/")
        page.get_by_role("button", name="Stop it now").click()
        assert page.get_by_text("Tick at least one.").first.is_visible()
        page.get_by_label("E-mail address").fill(user.email)
        page.get_by_label("My password").check()
        page.get_by_label("A card").check()
        page.get_by_role("button", name="Stop it now").click()
        assert page.get_by_role("heading", name="We have your report").is_visible()
        emergency.act(now=timezone.now())
        assert PaymentCard.objects.get().frozen_at is not None
        page.goto(mailed_link())
        page.get_by_role("button", name="Yes, make it final").click()
        for field in page.locator("input[type=password]").all():
            field.fill(FRESH)
        page.locator("main form button[type=submit]").first.click()
        page.wait_for_url("**/done/")
        page.goto(f"{site}/accounts/login/")
        page.get_by_label("E-mail address").fill(user.email)
        page.get_by_label("Password").fill(FRESH)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{site}/privacy/")
    assert PaymentToken.objects.count() == 0
    assert LossNotice.objects.get().state == LossNotice.State.CONFIRMED


def test_pages_of_payments_and_losses_are_sound(site: str, page: Page, browser: Browser) -> None:
    user, now = member(), timezone.now()
    used, frozen = kept_card(user, now=now), kept_card(user, now=now, brand="mastercard")
    payment = opened(user, card=used, now=now, reference="A-2026-00017")
    payments.read_card(reference=payment.reference, actor=SYSTEM, now=now)
    payments.close_payment(reference=payment.reference, actor=SYSTEM, now=timezone.now())
    opened(user, card=used, now=now, reference="A-2026-00018")
    PaymentCard.objects.filter(pk=frozen.pk).update(frozen_at=now)
    dropped = kept_card(user, now=now, brand="american express")
    PaymentCard.objects.filter(pk=dropped.pk).update(dropped_at=now, token_hash=None)
    with window(browser, site, reauthenticated(Client(), user)) as own:
        own.goto(f"{site}/privacy/payments/")
        assert own.get_by_text("Visa, ending in 4242").is_visible()
        assert wrong(own, "payments") == []
        own.goto(f"{site}/privacy/")
        assert own.get_by_role("link", name="Cards and payments").first.is_visible()
    other = member()
    emergency.report(address=other.email, password=True, card=True, now=now)
    emergency.act(now=now)
    with window(browser, site, Client()) as guest:
        for name, path in (
            ("stolen", "/report/stolen/"),
            ("stolen-done", "/report/stolen/done/"),
            ("paused", "/accounts/paused/"),
            ("gone", "/report/stolen/nothing/"),
            ("settle", mailed_link().removeprefix(site)),
        ):
            guest.goto(site + path)
            assert wrong(guest, name) == []
    staff = prove_second_factor(Client(), staff_member(Role.SUPPORT))
    with window(browser, site, staff) as desk:
        desk.goto(f"{site}/staff/stolen/")
        assert wrong(desk, "losses") == []
        desk.get_by_role("link", name="Password and card").click()
        assert wrong(desk, "loss") == []
        desk.get_by_role("button", name="It is true").click()
        assert wrong(desk, "loss-wrong") == []
