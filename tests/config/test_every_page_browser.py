"""Every page the site has, seen by whoever it is for: open, readable, inside its limits."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page

from audit import control
from tests.config import every_page
from tests.config.every_page import GUESTS, MEMBERS, NO_PAGE, PAGES, STAFF, World, route_name
from tests.factories.policy import publish_file
from tests.plugins.looking import NARROW, headings, listen, too_wide, window, wrong

# The key of a new password moves from the address to the session.
LEADS_ON = {"account_reset_password_from_key"}


@pytest.fixture
def site(live_server: Any, settings: Any) -> str:
    """A published policy, and each of its promises looked at once."""
    settings.SITE_URL = live_server.url
    cache.clear()
    publish_file()
    now = timezone.now()
    for each in control.controls().values():
        control.evaluate(control=each, now=now)
    return str(live_server.url)


@pytest.fixture
def world(site: str) -> World:
    return every_page.plant()


def test_every_address_is_a_page_or_said_to_be_none() -> None:
    silent = set().union(*NO_PAGE.values())
    known = silent | {route_name(name) for name in PAGES}
    routes = dict(every_page.routes())
    assert known - set(routes) == set(), "a line for an address that is no more"
    new = [name for name, route in routes.items() if not route.startswith(every_page.MACHINES)]
    assert set(new) - known == set(), "add a line to PAGES or NO_PAGE in every_page.py"
    assert {who for line in PAGES.values() for who in line.by} == {*GUESTS, *MEMBERS, *STAFF}


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("viewers", [GUESTS, MEMBERS, STAFF], ids=["guests", "members", "staff"])
def test_every_page_is_open_and_sound(
    site: str, world: World, browser: Browser, viewers: tuple[str, ...]
) -> None:
    found = {}
    for who in viewers:
        lines = {name: line for name, line in PAGES.items() if who in line.by}
        paths = {name: line.path(name, world) for name, line in lines.items()}
        client = every_page.browser_of(who, world)
        found[who] = seen_by(who, paths, browser, site, client)
    assert {who: said for who, said in found.items() if said} == {}


def seen_by(
    who: str, paths: dict[str, str], browser: Browser, site: str, client: Client
) -> dict[str, list[str]]:
    """What is wrong, by page; each is opened with script and, on a narrow screen, without."""
    said, heads = {}, {}
    with window(browser, site, client) as page:
        heard = listen(page, site)
        for name, path in paths.items():
            said[name] = opened(page, name, site + path) + wrong(page, f"{name}-{who}") + heard
            heads[name] = headings(page)
            heard.clear()
    with window(
        browser, site, client, java_script_enabled=False, viewport={"width": NARROW, "height": 900}
    ) as page:
        for name, path in paths.items():
            said[name] += opened(page, name, site + path) + too_wide(page, NARROW)
            if headings(page) != heads[name]:
                said[name].append(f"has other headings without script: {headings(page)}")
    return {name: found for name, found in said.items() if found}


def opened(page: Page, name: str, url: str) -> list[str]:
    """Go there; what happened instead, if something did."""
    answer = page.goto(url)
    assert answer is not None
    found = [] if answer.status == 200 else [f"answers {answer.status}"]
    if page.url != url and name not in LEADS_ON:
        found.append(f"leads on to {page.url}")
    return found
