"""The API's pages in a real browser: nothing from elsewhere, nothing refused, no barrier."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as django_settings
from django.core.cache import cache
from django.test import Client
from playwright.sync_api import Browser, Page

from tests.factories.accounts import member, reauthenticated
from tests.factories.api import made
from tests.factories.policy import publish_file

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
PICTURES = os.environ.get("KEPT_PICTURES")
# Swagger UI's own colours and headings are not ours to mend; our part of its page is looked at.
FOREIGN = {"exclude": [[".swagger-ui"]]}
# It also brings a main landmark of its own into ours.
FOREIGN_RULES = {"rules": {"landmark-no-duplicate-main": {"enabled": False}}}


@pytest.fixture
def site(live_server: Any, settings: Any) -> str:
    cache.clear()
    settings.SITE_URL = live_server.url
    settings.KEPT_API_CALLS_PER_ADDRESS = 0
    publish_file()
    return str(live_server.url)


def look(page: Page, url: str, name: str, context: dict[str, Any] | None = None) -> None:
    """At each width in each scheme: nothing scrolls sideways, axe finds nothing."""
    for width in (360, 1280):
        for scheme in SCHEMES:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            page.goto(url, wait_until="networkidle")
            if PICTURES:
                shot = Path(PICTURES) / f"{name}-{width}-{scheme}.png"
                page.screenshot(path=shot, full_page=True)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is {wide} px wide at {width}"
            found = Axe().run(page, context=context, options=FOREIGN_RULES if context else None)
            assert found.violations_count == 0, f"{name}: {found.generate_report()}"


def watched(page: Page) -> list[str]:
    """Everything the browser complains about, and every request to another host."""
    heard: list[str] = []
    page.on("console", lambda message: heard.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: heard.append(f"error: {error}"))
    page.on("request", lambda request: heard.append(f"asks {request.url}"))
    page.on("requestfailed", lambda request: heard.append(f"failed {request.url}"))
    return heard


def complaints(heard: list[str], site: str) -> list[str]:
    return [each for each in heard if not each.startswith((f"asks {site}/", "asks data:"))]


def test_docs_page_has_no_barrier(site: str, page: Page) -> None:
    heard = watched(page)
    look(page, f"{site}/api/docs/", "api-docs")
    assert complaints(heard, site) == []


def test_docs_are_there_without_a_script(site: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(f"{site}/api/docs/")
        assert "PUT /api/v1/me/choices/{kind}/{key}/" in page.inner_text("main")
        page.goto(f"{site}/api/docs/explorer/")
        assert page.get_by_role("link", name="The guide does not.").is_visible()
    finally:
        context.close()


def test_explorer_asks_nobody_else_and_breaks_no_rule(site: str, page: Page) -> None:
    page.set_default_timeout(90_000)  # a large script on a busy machine
    heard = watched(page)
    page.goto(f"{site}/api/docs/explorer/", wait_until="networkidle")
    call = page.locator("[id$=-policy_versions]")
    for button in (".opblock-summary-control", ".try-out__btn", ".execute"):
        call.locator(button).wait_for()
        # Not `click`, which waits for navigations that the script only pretends.
        call.locator(button).evaluate("element => element.click()")
    status = call.locator(".live-responses-table tbody .response-col_status").first
    status.wait_for()
    assert status.inner_text().startswith("200")
    assert f"asks {site}/api/v1/policy/versions/" in heard
    assert complaints(heard, site) == []
    look(page, f"{site}/api/docs/explorer/", "api-explorer", FOREIGN)


def test_key_page_has_no_barrier(site: str, page: Page, client: Client) -> None:
    user = member()
    made(user, name="Home automation")
    reauthenticated(client, user)
    name = django_settings.SESSION_COOKIE_NAME
    page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": site}])
    look(page, f"{site}/privacy/api-keys/", "api-keys")
    page.get_by_label("Name", exact=True).fill("Shell")
    page.get_by_label("See your choices").first.check()
    page.get_by_role("button", name="Make the key").click()
    assert page.locator("code").first.inner_text().startswith("kept_")
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / f"api-key-made-{width}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert Axe().run(page).violations_count == 0
    page.get_by_role("button", name="Home automation").click()
    assert "That key has ended." in page.inner_text(".messages")
    assert "Home automation" not in page.inner_text("main")
