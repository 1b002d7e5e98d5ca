"""index.html, opened from the unpacked folder in a real browser, asks nobody for anything."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from consent.models import Event, Words
from datamap.encryption import encrypt
from policy.models import PolicyVersion
from requests.models import Request
from requests.package import build, vault
from tests.factories.accounts import member
from tests.factories.requests import asked

pytestmark = pytest.mark.browser

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
PLANTED = '<img src=x onerror="document.title=\'taken\'"><script>document.title="taken"</script>'
ROWS = 2_345
Scheme = Literal["light", "dark"]


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Machines that test many things at once are slow; what never comes still fails."""
    expect.set_options(timeout=30_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture
def folder(wecustomers: PolicyVersion, tmp_path: Path) -> Path:
    """An unpacked package of somebody with three files of notices and markup in their words."""
    user = member(now=NOW - timedelta(days=9), email="robin@example.com", first_name=PLANTED[:99])
    request = asked(user, now=NOW)
    Request.objects.filter(pk=request.pk).update(words=encrypt(PLANTED))
    some = Event.objects.filter(subject=user.subject)[0]
    Words.objects.create(digest="f" * 64, locale="en", text=PLANTED)
    Event.objects.bulk_create(
        Event(
            subject=user.subject,
            kind="notice",
            key=PLANTED if number == 77 else f"number-{number}",
            decision="shown",
            policy_digest=some.policy_digest,
            words_id="f" * 64,
            surface="site",
            locale="en",
            channel="site",
            at=NOW - timedelta(days=30, minutes=number),
        )
        for number in range(ROWS - Event.objects.filter(subject=user.subject).count())
    )
    target = io.BytesIO()
    built = build(
        subject_id=user.subject_id,
        document=wecustomers.document,
        language="en",
        now=NOW,
        target=target,
        progress=lambda _step: None,
    )
    target.seek(0)
    text = b"".join(vault.read(target, vault.unwrap(built.key)))
    zipfile.ZipFile(io.BytesIO(text)).extractall(tmp_path / "copy")
    return tmp_path / "copy"


@contextmanager
def opened(
    browser: Browser,
    folder: Path,
    *,
    width: int = 1280,
    scheme: Scheme = "light",
    scripts: bool = True,
) -> Iterator[Page]:
    """The page; whatever it asked for came from the folder, and nothing was complained about."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        java_script_enabled=scripts,
        offline=True,
    )
    page = context.new_page()
    asked_for: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked_for.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((folder / "index.html").as_uri())
    yield page
    assert complaints == []
    assert [url for url in asked_for if not url.startswith(folder.as_uri())] == []
    assert page.title() == "Your data at WeCustomers"
    context.close()


def ledger(page: Page) -> Any:
    """The part with the three files."""
    return page.locator("[data-kind='consent.event']")


def test_pages_turn_across_files_by_mouse_and_by_keyboard(browser: Browser, folder: Path) -> None:
    with opened(browser, folder) as page:
        part = ledger(page)
        status = part.get_by_role("status")
        expect(status).to_have_text("Rows 1 to 25 of 2\u202f345")
        first = part.locator("tbody tr").first.inner_text()
        part.get_by_role("button", name="Next").click()
        expect(status).to_have_text("Rows 26 to 50 of 2\u202f345")
        assert part.locator("tbody tr").first.inner_text() != first
        part.get_by_role("button", name="Previous").focus()
        page.keyboard.press("Enter")
        expect(status).to_have_text("Rows 1 to 25 of 2\u202f345")
        # What the script shows is what stood in the page.
        assert part.locator("tbody tr").first.inner_text() == first
        expect(part.get_by_role("button", name="Previous")).to_be_focused()
        part.get_by_label("Page, of 94").fill("94")
        page.keyboard.press("Enter")
        expect(status).to_have_text("Rows 2\u202f326 to 2\u202f345 of 2\u202f345")
        expect(part.locator("tbody tr")).to_have_count(20)
        expect(part.get_by_role("button", name="Next")).to_have_attribute("aria-disabled", "true")


def test_search_looks_through_every_file(browser: Browser, folder: Path) -> None:
    with opened(browser, folder) as page:
        part = ledger(page)
        part.get_by_label("Search in these rows").fill("NUMBER-2301")
        page.keyboard.press("Enter")
        status = part.get_by_role("status")
        expect(status).to_have_text("1 of 2\u202f345 rows contain “NUMBER-2301”")
        expect(part.locator("tbody tr")).to_have_count(1)
        expect(part.locator("tbody tr")).to_contain_text("number-2301")
        part.get_by_label("Search in these rows").fill("nothing like it")
        part.get_by_role("button", name="Search").click()
        expect(status).to_have_text("0 of 2\u202f345 rows contain “nothing like it”")
        part.get_by_role("button", name="Show all rows again").click()
        expect(status).to_have_text("Rows 1 to 25 of 2\u202f345")
        part.get_by_label("Search in these rows").fill("2026-02-1")
        page.keyboard.press("Enter")
        expect(part.get_by_role("button", name="Show all rows again")).to_be_visible()
        expect(part.locator("tbody tr").first).to_contain_text("2026-02-1")
        part.get_by_label("Search in these rows").fill("was told")
        page.keyboard.press("Enter")
        expect(status).to_have_text(
            "The first 200 rows with “was told”; write more to narrow it down"
        )
        expect(part.locator("tbody tr")).to_have_count(200)


def test_planted_markup_is_shown_and_does_nothing(browser: Browser, folder: Path) -> None:
    with opened(browser, folder) as page:
        words = page.locator("[data-kind='requests.request'] tbody")
        expect(words).to_contain_text(PLANTED)
        part = ledger(page)
        part.get_by_label("Search in these rows").fill("<script>")
        page.keyboard.press("Enter")
        expect(part.locator("tbody tr")).to_have_count(1)
        expect(part.locator("tbody")).to_contain_text(PLANTED)
        assert page.locator("img").count() == 0
        assert page.locator("body script").count() == 2  # the data and the script of the page


def test_missing_files_are_told_with_the_cure(browser: Browser, folder: Path) -> None:
    (folder / "data" / "consent.event-0002.js").unlink()
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto((folder / "index.html").as_uri())
    part = ledger(page)
    part.get_by_label("Page, of 94").fill("50")
    page.keyboard.press("Enter")
    expect(part.get_by_role("status")).to_contain_text("Unpack the whole ZIP into a folder")
    part.get_by_role("button", name="Next").click()
    expect(part.get_by_role("status")).to_have_text("Rows 26 to 50 of 2\u202f345")
    context.close()


def test_without_scripts_it_has_the_first_rows_and_the_way_to_the_rest(
    browser: Browser, folder: Path
) -> None:
    with opened(browser, folder, scripts=False) as page:
        part = ledger(page)
        expect(part.locator("tbody tr")).to_have_count(25)
        expect(part.get_by_text("The first 25 of 2\u202f345 rows.")).to_be_visible()
        expect(part.get_by_role("button", name="Search")).to_be_hidden()
        expect(page.get_by_text("allow scripts for it")).to_be_visible()
        for link in page.get_by_role("link").all():
            target = link.get_attribute("href") or ""
            if not target.startswith(("#", "mailto:")):
                assert (folder / target).is_file(), target


def test_technical_columns_are_shown_when_asked_for(browser: Browser, folder: Path) -> None:
    with opened(browser, folder) as page:
        part = ledger(page)
        head = part.get_by_role("columnheader", name="Policy digest")
        expect(head).to_be_hidden()
        part.get_by_label("Show technical columns, too").check()
        expect(head).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_page_is_accessible_and_fits(
    browser: Browser, folder: Path, width: int, scheme: Scheme
) -> None:
    with opened(browser, folder, width=width, scheme=scheme) as page:
        part = ledger(page)
        part.get_by_label("Search in these rows").fill("number-1")
        page.keyboard.press("Enter")
        expect(part.get_by_role("button", name="Show all rows again")).to_be_visible()
        page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
        found = Axe().run(page).response["violations"]
        assert [(v["id"], v["nodes"][0]["html"]) for v in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
