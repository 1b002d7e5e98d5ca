"""What people do on a site, step by step, as they would: links come out of mail that arrived.

Nobody is logged in by a short cut, and the second factor is typed as an app would show it.
"""

from __future__ import annotations

import re
import secrets
import time
from datetime import UTC, date, datetime, timedelta

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Page

from tests.plugins.live import LiveSite

PASSWORD = "four blue herons at dawn"
ADULT = date(1990, 5, 17)

LEFT = """
from datamap.registry import holdings
from uuid import UUID
left = {h.key: h.rows_to_erase([UUID("%s")]).count() for h in holdings()}
print(len(left), sum(left.values()))
"""


def new_address() -> str:
    """An address nobody else on the site has."""
    return f"{secrets.token_hex(6)}@example.com"


def turned(age: int) -> date:
    """The birth date of somebody who turned `age` a hundred days ago, whatever the time zone."""
    day = datetime.now(tz=UTC).date() - timedelta(days=100)
    return day.replace(year=day.year - age, day=min(day.day, 28))


def link_in(text: str, path: str) -> str:
    """The address below `path` that a mail carries."""
    found = re.search(rf"http\S+{path}\S+", text)
    assert found is not None, text
    return found[0]


def code_of(secret: str) -> str:
    """What an authenticator app shows now for this key (RFC 6238)."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def enter_date(page: Page, born: date) -> None:
    """Fill in the three fields and leave the button to the caller."""
    for label, number in (("Day", born.day), ("Month", born.month), ("Year", born.year)):
        page.get_by_label(label).fill(str(number))


def answer_age(page: Page, site: LiveSite, born: date) -> None:
    """From the front page to the age question, and answer it."""
    page.goto(site.url)
    page.get_by_role("link", name="Create an account").click()
    enter_date(page, born)
    page.get_by_role("button", name="Go on").click()


def fill_form(page: Page, address: str, *, last_name: str = "Example") -> None:
    """The sign-up form, with a yes to every transfer it asks about."""
    page.get_by_label("First name").fill("Robin")
    page.get_by_label("Last name").fill(last_name)
    page.get_by_label("E-mail address").fill(address)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Yes, I agree").check()
    page.get_by_role("button", name="Create the account").click()
    page.get_by_text("Look into your mail").first.wait_for()


def confirm_and_sign_in(page: Page, site: LiveSite, address: str) -> None:
    """Open the link of the mail that arrived, then log in for the first time."""
    arrived = site.wait_for_mail(address, "Confirm your address")
    page.goto(link_in(arrived["plain"], "/confirm-email/"))
    page.get_by_role("button", name="Yes, it is mine").click()
    sign_in(page, site, address)
    page.wait_for_url(re.compile("/privacy/$"))


def sign_up(
    page: Page, site: LiveSite, address: str, *, born: date = ADULT, last_name: str = "Example"
) -> None:
    """Age question, form, mail, confirmation, first log-in."""
    answer_age(page, site, born)
    fill_form(page, address, last_name=last_name)
    confirm_and_sign_in(page, site, address)


def sign_in(page: Page, site: LiveSite, address: str, *, stay: bool = False) -> None:
    """Fill in the log-in form; `stay` on the page that a closed door led to."""
    if not stay:
        page.goto(site.url + "/accounts/login/")
    page.get_by_label("E-mail address").fill(address)
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main form button").first.click()


def prove_again(page: Page) -> None:
    """Give the password where the site asks for it once more."""
    if "/reauthenticate/" in page.url:
        page.get_by_label("Password").fill(PASSWORD)
        page.locator("main form button").first.click()


def become_reviewer(page: Page, site: LiveSite, address: str) -> None:
    """A new member gets the role at the console, which signs them out; the next sign-in leads to
    the second factor and to the undertaking, and without them no page of the staff opens.
    """
    site.manage("make_staff", address, "reviewer", "--trained", "Data protection at work")
    page.goto(site.url + "/staff/requests/")
    sign_in(page, site, address, stay=True)
    prove_again(page)
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
    page.wait_for_url(re.compile("/staff/duties/$"))
    page.get_by_label("I have read this").check()
    page.get_by_role("button", name="Sign").click()
    page.wait_for_url(re.compile("/staff/$"))
    page.goto(site.url + "/staff/requests/")


def subject_of(site: LiveSite, address: str) -> str:
    """The id under which the site holds the person's data."""
    query = "SELECT subject_id::text FROM accounts_user WHERE email = %s"
    ((subject_id,),) = site.sql(query, address)
    return str(subject_id)


def rows_left(site: LiveSite, subject_id: str) -> tuple[int, int]:
    """How many holdings were asked for rows of this person, and how many rows they have."""
    asked, left = site.manage("shell", "-c", LEFT % subject_id).stdout.split()[-2:]
    return int(asked), int(left)


def rows_with(site: LiveSite, *words: str) -> list[str]:
    """Rows of any table that contain one of the words, whatever the case."""
    rows = [row for table in site.dump().values() for row in table]
    return [row for row in rows if any(word.lower() in row.lower() for word in words)]
