"""The main job, from the first page to an empty database, on a real site in a real browser.

Web, worker, beat and mail run as in production.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.steps import (
    become_reviewer,
    link_in,
    new_address,
    prove_again,
    rows_left,
    rows_with,
    sign_in,
    sign_up,
    subject_of,
)
from tests.plugins.live import LiveSite

pytestmark = pytest.mark.browser


def refuse_the_news(page: Page, site: LiveSite) -> None:
    """Move a switch; it saves itself, and the next read shows it."""
    page.get_by_role("link", name="Your choices").click()
    switch = page.get_by_role("switch", name="News of our services")
    expect(switch).to_be_checked()
    with page.expect_navigation():
        switch.click()
    page.goto(site.url + "/privacy/choices/")
    expect(page.get_by_role("switch", name="News of our services")).not_to_be_checked()


def ask_for_deletion(page: Page, site: LiveSite) -> None:
    """Read, decide, prove it is still them where the site asks for it."""
    page.goto(site.url + "/privacy/delete/")
    expect(page.get_by_text("Copies of what you published may remain elsewhere")).to_be_visible()
    page.get_by_role("button", name="Ask for deletion").click()
    prove_again(page)
    page.wait_for_url(re.compile(r"/privacy/requests/[0-9A-Z]{12}/$"))
    expect(page.get_by_text("A person reads your request.")).to_be_visible()


def test_from_sign_up_to_nothing_left(browser: Browser, live_site: LiveSite) -> None:
    address, colleague = new_address(), new_address()
    person, reviewer = browser.new_context().new_page(), browser.new_context().new_page()

    sign_up(person, live_site, address)
    subject_id = subject_of(live_site, address)
    refuse_the_news(person, live_site)
    ask_for_deletion(person, live_site)
    reference = person.url.rstrip("/").rpartition("/")[2]
    received = live_site.wait_for_mail(address, "We got your request")
    status_url = link_in(received["plain"], "/requests/")

    sign_up(reviewer, live_site, colleague)
    become_reviewer(reviewer, live_site, colleague)
    expect(reviewer.get_by_text(f"{address[0]}•••@example.com").first).to_be_visible()
    assert address not in reviewer.content()
    reviewer.locator(f"a[href*='{reference}']").click()
    reviewer.get_by_role("button", name="Approve the deletion").click()
    expect(reviewer.get_by_text("Your approval is stored.")).to_be_visible()

    # The page in the person's browser follows by itself; they are signed out meanwhile.
    visitor = browser.new_context().new_page()
    visitor.goto(status_url)
    expect(visitor.get_by_text("we checked that nothing was left behind")).to_be_visible(
        timeout=60_000
    )
    done = live_site.wait_for_mail(address, "Your data is deleted")
    assert "Copies of what you published may remain elsewhere" in " ".join(done["plain"].split())
    person.goto(live_site.url + "/privacy/")
    assert "/accounts/login/" in person.url
    sign_in(person, live_site, address)
    assert "/accounts/login/" in person.url

    live_site.wait_for("SELECT count(*) = 0 FROM consent_message WHERE subject_id = %s", subject_id)
    asked, left = rows_left(live_site, subject_id)
    assert asked > 20
    assert left == 0
    assert rows_with(live_site, address) == []
    assert live_site.sql(
        "SELECT reason FROM retention_tombstone WHERE subject_id = %s", subject_id
    ) == [("request",)]
    verbs = live_site.sql(
        "SELECT verb FROM audit_auditentry WHERE subject_id = %s "
        "AND (verb LIKE 'requests.%%' OR verb LIKE 'retention.%%') ORDER BY id",
        subject_id,
    )
    # That erasing began is noted only if somebody looked while it ran.
    assert [verb for (verb,) in verbs if verb != "requests.started"] == [
        "requests.received",
        "requests.approval_given",
        "retention.erasure-started",
        "requests.approved",
        "retention.erased",
        "requests.completed",
    ]
    read = live_site.sql(
        "SELECT count(*) > 0 FROM audit_staffaccess WHERE subject_id = %s", subject_id
    )
    assert read == [(True,)]
    seen = live_site.manage("check_promises", check=False).stdout
    assert "requests.deletion-notice" in seen
