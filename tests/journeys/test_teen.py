"""Teens: advised before anything else is asked, private unless they choose otherwise; or refused,
where the site is for adults only.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.steps import (
    answer_age,
    confirm_and_sign_in,
    fill_form,
    new_address,
    subject_of,
    turned,
)
from tests.plugins.live import LiveSite

pytestmark = pytest.mark.browser


def test_teen_is_advised_first_and_starts_with_private_settings(
    page: Page, live_site: LiveSite
) -> None:
    address = new_address()
    answer_age(page, live_site, turned(15))
    expect(page.get_by_role("heading", name="Before you go on")).to_be_visible()
    expect(page.get_by_text("talk to a parent and ask whether they agree")).to_be_visible()
    page.get_by_role("link", name="I have read this").click()
    news = page.get_by_role("checkbox", name=re.compile("News of our services"))
    expect(news).not_to_be_checked()
    fill_form(page, address)
    confirm_and_sign_in(page, live_site, address)
    page.get_by_role("link", name="Your choices").click()
    expect(page.get_by_role("switch", name="News of our services")).not_to_be_checked()
    subject_id = subject_of(live_site, address)
    assert live_site.sql("SELECT minor FROM datamap_subject WHERE id = %s", subject_id) == [(True,)]


def test_site_for_adults_refuses_a_teen_and_looks_different(
    browser: Browser, clickandchat_site: LiveSite, live_site: LiveSite
) -> None:
    colours = []
    for site in (clickandchat_site, live_site):
        page = browser.new_context(color_scheme="light").new_page()
        page.goto(site.url)
        colours.append(accent(page))
        answer_age(page, site, turned(17))
        if site is clickandchat_site:
            expect(page.get_by_text("You did nothing wrong.")).to_be_visible()
        else:
            expect(page.get_by_role("heading", name="Before you go on")).to_be_visible()
    assert colours == ["rgb(125, 82, 0)", "rgb(28, 107, 70)"]


def accent(page: Page) -> str:
    """The operator's colour as the browser shows it."""
    return str(
        page.evaluate(
            """() => {
              const probe = document.body.appendChild(document.createElement("span"));
              probe.style.color = "var(--accent)";
              return getComputedStyle(probe).color;
            }"""
        )
    )
