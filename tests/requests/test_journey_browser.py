"""The main job, from the first page to an empty database, on a real site in a real browser.

Web, worker, beat and mail run as in production; nothing is logged in by a short cut, every link
comes out of the mail that arrived, and the second factor is typed as an app would show it.
"""

from __future__ import annotations

import re
import secrets
import time

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Browser, Page, expect

from tests.plugins.live import LiveSite

pytestmark = pytest.mark.browser
PASSWORD = "four blue herons at dawn"

LEFT = """
from datamap.registry import holdings
from uuid import UUID
left = {h.key: h.rows_to_erase([UUID("%s")]).count() for h in holdings()}
print(len(left), sum(left.values()))
"""


def link_in(text: str, path: str) -> str:
    """The address below `path` that a mail carries."""
    found = re.search(rf"http\S+{path}\S+", text)
    assert found is not None, text
    return found[0]


def code_of(secret: str) -> str:
    """What an authenticator app shows now for this key (RFC 6238)."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def sign_up(page: Page, site: LiveSite, address: str) -> None:
    """Age question, form, mail, confirmation, first log-in."""
    page.goto(site.url)
    page.get_by_role("link", name="Create an account").click()
    for label, text in (("Day", "17"), ("Month", "5"), ("Year", "1990")):
        page.get_by_label(label).fill(text)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("First name").fill("Robin")
    page.get_by_label("Last name").fill("Example")
    page.get_by_label("E-mail address").fill(address)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Yes, I agree").check()
    page.get_by_role("button", name="Create the account").click()
    page.get_by_text("Look into your mail").first.wait_for()
    arrived = site.wait_for_mail(address, "Confirm your address")
    page.goto(link_in(arrived["plain"], "/confirm-email/"))
    page.get_by_role("button", name="Yes, it is mine").click()
    sign_in(page, site, address)
    page.wait_for_url(re.compile("/privacy/$"))


def sign_in(page: Page, site: LiveSite, address: str, *, stay: bool = False) -> None:
    """Fill in the log-in form; `stay` on the page that a closed door led to."""
    if not stay:
        page.goto(site.url + "/accounts/login/")
    page.get_by_label("E-mail address").fill(address)
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main form button").first.click()


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
    if "/reauthenticate/" in page.url:
        page.get_by_label("Password").fill(PASSWORD)
        page.locator("main form button").first.click()
    page.wait_for_url(re.compile(r"/privacy/requests/[0-9A-Z]{12}/$"))
    expect(page.get_by_text("A person reads your request.")).to_be_visible()


def become_reviewer(page: Page, site: LiveSite, address: str) -> None:
    """A new member gets the role at the console, which signs them out; the next sign-in leads to
    the second factor, and without it no page of the staff opens.
    """
    site.manage("make_staff", address, "reviewer")
    page.goto(site.url + "/staff/requests/")
    sign_in(page, site, address, stay=True)
    if "/reauthenticate/" in page.url:
        page.get_by_label("Password").fill(PASSWORD)
        page.locator("main form button").first.click()
    if "/2fa/totp/activate/" not in page.url:
        page.goto(site.url + "/staff/requests/")
    page.get_by_text("Or type the key by hand").click()
    secret = page.locator("details code").inner_text().strip()
    used = code_of(secret)
    page.locator("main form input[name=code]").fill(used)
    page.get_by_role("button", name="Switch it on").click()
    page.wait_for_url(re.compile("/accounts/2fa/"))
    page.goto(site.url + "/staff/requests/")
    if page.locator("main form input[name=code]").count():
        # The door wants a code of its own, and no code opens two doors.
        while code_of(secret) == used:
            time.sleep(0.5)
        page.locator("main form input[name=code]").fill(code_of(secret))
        page.get_by_role("button", name="Go on").click()
    page.wait_for_url(re.compile("/staff/requests/$"))


def test_from_sign_up_to_nothing_left(browser: Browser, live_site: LiveSite) -> None:
    name = secrets.token_hex(6)
    address, colleague = f"{name}@example.com", f"{secrets.token_hex(6)}@example.com"
    person, reviewer = browser.new_context().new_page(), browser.new_context().new_page()

    sign_up(person, live_site, address)
    ((subject_id,),) = live_site.sql(
        "SELECT subject_id FROM accounts_user WHERE email = %s", address
    )
    refuse_the_news(person, live_site)
    ask_for_deletion(person, live_site)
    reference = person.url.rstrip("/").rpartition("/")[2]
    received = live_site.wait_for_mail(address, "We got your request")
    status_url = link_in(received["plain"], "/requests/")

    sign_up(reviewer, live_site, colleague)
    become_reviewer(reviewer, live_site, colleague)
    expect(reviewer.get_by_text(f"{name[0]}•••@example.com").first).to_be_visible()
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
    asked, left = live_site.manage("shell", "-c", LEFT % subject_id).stdout.split()[-2:]
    assert int(asked) > 20
    assert left == "0"
    rows = [row for table in live_site.dump().values() for row in table]
    assert [row for row in rows if address in row] == []
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
