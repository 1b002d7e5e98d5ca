"""The staff page for two addresses of one person, looked at and used in a browser."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page

from accounts.models import Approval
from tests.factories.accounts import member, prove_second_factor, staff_member
from tests.factories.policy import publish_file
from tests.plugins.looking import barriers, carry, look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_staff_ask_a_second_person(live_server: Any, settings: Any, page: Page) -> None:
    settings.SITE_URL = live_server.url
    cache.clear()
    publish_file()
    one, other = member(), member()
    carry(page, prove_second_factor(Client(), staff_member()), live_server.url)
    look(page, live_server.url + reverse("accounts:same_person"), "same-person")
    merge = page.locator("section", has_text="Hold two addresses for one person")
    merge.get_by_role("button", name="Ask a second person").click()
    page.get_by_role("alert").wait_for()
    assert barriers(page, "same-person-errors") == []
    merge.get_by_label("Address the person uses").fill(one.email)
    merge.get_by_label("Their other address").fill(other.email)
    merge.get_by_label("How you made sure").fill("Both answered.")
    merge.get_by_role("button", name="Ask a second person").click()
    page.get_by_text("a second person has to agree").first.wait_for()
    assert Approval.objects.get().about_id == one.subject_id
