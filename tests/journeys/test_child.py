"""Children: refused without a trace, or locked and gone when they become known later."""

from __future__ import annotations

import re
import secrets

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.steps import (
    ADULT,
    answer_age,
    become_reviewer,
    enter_date,
    link_in,
    new_address,
    prove_again,
    rows_left,
    rows_with,
    sign_in,
    sign_up,
    subject_of,
    turned,
)
from tests.plugins.live import LiveSite

pytestmark = pytest.mark.browser
KIND = "You did nothing wrong."


def test_refused_child_finds_no_way_in_and_leaves_no_trace(page: Page, live_site: LiveSite) -> None:
    with live_site.quiet():
        before = live_site.dump()
        answer_age(page, live_site, turned(12))
        expect(page.get_by_text(KIND)).to_be_visible()
        page.go_back()
        if page.get_by_label("Year").count():  # kept by the browser: then another date
            enter_date(page, ADULT)
            page.get_by_role("button", name="Go on").click()
        expect(page.get_by_text(KIND)).to_be_visible()
        for address in ("/accounts/signup/", "/accounts/age/", "/accounts/age/advice/"):
            answer = page.goto(live_site.url + address)
            assert answer is not None
            assert answer.status == 403
            expect(page.get_by_text(KIND)).to_be_visible()
        page.goto(live_site.url)
        page.get_by_role("link", name="Create an account").click()
        expect(page.get_by_text(KIND)).to_be_visible()
        assert post_past_the_pages(page, live_site) == [403, 403]
        assert live_site.dump() == before


def post_past_the_pages(page: Page, site: LiveSite) -> list[int]:
    """Send both forms as an old copy of them would be, with an adult's date; the answers."""
    page.goto(site.url + "/accounts/login/")
    token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    born = {"day": "17", "month": "5", "year": "1990"}
    filled = {"first_name": "Robin", "last_name": "Example", "email": new_address()}
    statuses = []
    for address in ("/accounts/age/", "/accounts/signup/"):
        answer = page.context.request.post(
            site.url + address,
            form={**born, **filled, "csrfmiddlewaretoken": token},
            headers={"Referer": site.url + address},
        )
        assert KIND in answer.text()
        statuses.append(answer.status)
    return statuses


def correct_birth_date(page: Page, site: LiveSite) -> None:
    """Say on one's own page that one is twelve."""
    page.goto(site.url + "/privacy/birth-date/")
    prove_again(page)
    enter_date(page, turned(12))
    page.get_by_role("button", name="Correct it").click()
    expect(page.get_by_role("heading", name="This account is locked")).to_be_visible()


def assert_locked(site: LiveSite, subject_id: str) -> None:
    """Lock, case and log entry stand at once, written by one transaction (all its rows share the
    moment of its commit, those of its savepoints, too); no session is left.
    """
    found = site.sql(
        "SELECT s.locked, s.restricted, c.state,"
        " pg_xact_commit_timestamp(s.xmin) = pg_xact_commit_timestamp(c.xmin)"
        " AND pg_xact_commit_timestamp(s.xmin) = pg_xact_commit_timestamp(e.xmin)"
        " FROM datamap_subject s JOIN retention_childcase c ON c.subject_id = s.id"
        " JOIN audit_auditentry e ON e.subject_id = s.id AND e.verb = 'accounts.child-learned'"
        " WHERE s.id = %s",
        subject_id,
    )
    assert found == [(True, True, "contest", True)]
    sessions = "SELECT count(*) FROM accounts_session s JOIN accounts_user u ON u.id = s.user_id"
    assert site.sql(f"{sessions} WHERE u.subject_id = %s", subject_id) == [(0,)]


def refused_kindly(page: Page, site: LiveSite, address: str) -> None:
    """The right password leads to the page about the lock, and nowhere else."""
    sign_in(page, site, address)
    expect(page.get_by_role("heading", name="This account is locked")).to_be_visible()
    page.goto(site.url + "/privacy/")
    assert "/accounts/login/" in page.url


def test_account_that_is_a_childs_is_locked_at_once_and_gone_in_time(
    page: Page, hasty_site: LiveSite
) -> None:
    address, name = new_address(), f"Zz{secrets.token_hex(6)}"
    sign_up(page, hasty_site, address, last_name=name)
    subject_id = subject_of(hasty_site, address)
    assert rows_with(hasty_site, name) != []
    correct_birth_date(page, hasty_site)
    assert_locked(hasty_site, subject_id)
    page.goto(hasty_site.url + "/privacy/")
    assert "/accounts/login/" in page.url
    refused_kindly(page, hasty_site, address)
    told = hasty_site.wait_for_mail(address, "is locked")
    contest = link_in(told["plain"], "/contest/")
    page.goto(contest)
    expect(page.get_by_role("button", name="Send")).to_be_visible()

    # Nobody does anything: the clock of the case, beat and the worker do.
    gone = "SELECT count(*) = 1 FROM retention_tombstone WHERE subject_id = %s AND reason = 'child'"
    hasty_site.wait_for(gone, subject_id, seconds=120)
    asked, left = rows_left(hasty_site, subject_id)
    assert asked > 20
    assert left == 0
    assert rows_with(hasty_site, name, address) == []
    closed = "SELECT state, closed_at >= contest_until FROM retention_childcase"
    assert hasty_site.sql(f"{closed} WHERE subject_id = %s", subject_id) == [("erased", True)]
    answer = page.goto(contest)
    assert answer is not None
    assert answer.status == 404
    sign_in(page, hasty_site, address)
    assert "/accounts/login/" in page.url


def test_contested_lock_is_lifted_by_a_reviewer(browser: Browser, hasty_site: LiveSite) -> None:
    address, colleague = new_address(), new_address()
    person, reviewer = browser.new_context().new_page(), browser.new_context().new_page()
    sign_up(reviewer, hasty_site, colleague)
    become_reviewer(reviewer, hasty_site, colleague)
    sign_up(person, hasty_site, address)
    subject_id = subject_of(hasty_site, address)
    correct_birth_date(person, hasty_site)
    told = hasty_site.wait_for_mail(address, "is locked")
    person.goto(link_in(told["plain"], "/contest/"))
    person.get_by_label("Why is this a mistake?").fill("I mistyped the year.")
    person.get_by_role("button", name="Send").click()
    expect(person.get_by_text("We have what you wrote")).to_be_visible()
    refused_kindly(person, hasty_site, address)

    release(reviewer, hasty_site, subject_id)
    hasty_site.wait_for_mail(address, "is open again")
    sign_in(person, hasty_site, address)
    person.wait_for_url(re.compile("/privacy/$"))
    assert hasty_site.sql(
        "SELECT locked, restricted, state, ground FROM datamap_subject s"
        " JOIN retention_childcase c ON c.subject_id = s.id WHERE s.id = %s",
        subject_id,
    ) == [(False, False, "released", "no-child")]


def release(page: Page, site: LiveSite, subject_id: str) -> None:
    """Read the objection, give the right date and a reason, release."""
    query = "SELECT reference FROM retention_childcase WHERE subject_id = %s"
    ((reference,),) = site.sql(query, subject_id)
    page.goto(site.url + "/staff/children/")
    page.locator(f"a[href*='{reference}']").click()
    page.get_by_label("Your reason").first.fill("To decide")
    page.get_by_role("button", name="Read the objection").click()
    expect(page.get_by_text("I mistyped the year.")).to_be_visible()
    form = page.locator("form[action$='/release/']")
    for label, number in (("Day", ADULT.day), ("Month", ADULT.month), ("Year", ADULT.year)):
        form.get_by_label(label).fill(str(number))
    form.get_by_label("Your reason").fill("A typing error")
    form.get_by_role("button", name="Release the account").click()
    expect(page.get_by_text("Released.")).to_be_visible()
