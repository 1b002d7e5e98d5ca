"""Looking at pages in a browser: no barrier, nothing too wide, nothing said to the console."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.base import AXE_SCRIPT
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page

Scheme = Literal["light", "dark"]
WIDTHS = (360, 1280)
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
EVERY = tuple((width, scheme) for width in WIDTHS for scheme in SCHEMES)
HEIGHT = 900
# The smallest screen of WCAG 1.4.10, and a common one at 200 % (1.4.4).
NARROW, ZOOMED = 320, 640
PICTURES = os.environ.get("KEPT_PICTURES")
# A page of ours answers in well under a second, a busy machine in a few; more means never.
PATIENCE_MS = 30_000
LOOK = Path(__file__).with_suffix(".js").read_text()
HEADINGS = """() => [...document.querySelectorAll("h1, h2, h3")]
    .filter((each) => each.checkVisibility({ visibilityProperty: true }))
    .map((each) => each.innerText)"""
# `evaluate` itself waits for ever; the race makes sure that an answer comes.
RUN_AXE = """([options, patience]) => Promise.race([
    axe.run(options),
    new Promise((_, late) => setTimeout(() => late(new Error("axe took too long")), patience)),
]).then((found) => found.violations.map((each) =>
    `${each.id}: ${each.nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`))"""
# A page that is resized, recoloured and pictured before it was ever drawn makes Chromium wait for
# itself without end: each change waits until the one before it is on the screen.
DRAWN = """(patience) => new Promise((drawn, never) => {
    setTimeout(() => never(new Error("the page is not drawn")), patience);
    requestAnimationFrame(() => requestAnimationFrame(() => drawn()));
})"""
# The one rule of axe that colours decide, and colours alone.
CONTRAST = "color-contrast"


def carry(into: Page | BrowserContext, client: Client, url: str) -> None:
    """Give the test client's session, and whatever else it keeps, to the browser."""
    context = into.context if isinstance(into, Page) else into
    kept = client.cookies.values()
    context.add_cookies([{"name": each.key, "value": each.value, "url": url} for each in kept])


def look(page: Page, url: str, name: str) -> None:
    """Open at each width in each scheme: nothing scrolls sideways, axe finds nothing."""
    page.goto(url)
    assert barriers(page, name) == []


def barriers(page: Page, name: str, views: Iterable[tuple[int, Scheme]] = EVERY) -> list[str]:
    """What is wrong with the open page at these widths and schemes: too wide, or found by axe."""
    found = []
    page.evaluate(AXE_SCRIPT)
    for width, scheme in views:
        show(page, name, width, scheme)
        found += too_wide(page, width)
        found += [f"at {width}, {scheme}: {each}" for each in axe(page)]
    return found


def show(page: Page, name: str, width: int, scheme: Scheme) -> None:
    """Bring the page to a width and a scheme; KEPT_PICTURES names a folder to keep pictures in."""
    resize(page, width)
    page.emulate_media(color_scheme=scheme)
    page.evaluate(DRAWN, PATIENCE_MS)
    if PICTURES:
        shot = Path(PICTURES) / f"{name.replace(':', '_')}-{width}-{scheme}.png"
        page.screenshot(path=shot, full_page=True)


def resize(page: Page, width: int) -> None:
    """Bring the page, once it is drawn, to a width."""
    page.evaluate(DRAWN, PATIENCE_MS)
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.evaluate(DRAWN, PATIENCE_MS)


def axe(page: Page, *, only: str = "", without: str = "") -> list[str]:
    """What axe finds on the page, into which `AXE_SCRIPT` was put: all rules, or one more or less.

    A sentence for each rule broken, with the elements that break it.
    """
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if only:
        options["runOnly"] = [only]
    if without:
        options["rules"] = {without: {"enabled": False}}
    found: list[str] = page.evaluate(RUN_AXE, [options, PATIENCE_MS])
    return found


def too_wide(page: Page, width: int) -> list[str]:
    """Whether the page scrolls sideways at this width."""
    wide = page.evaluate("document.documentElement.scrollWidth")
    return [f"it is {wide} px wide at {width}"] if wide > width else []


def wrong(page: Page, name: str) -> list[str]:
    """All that is wrong with the open page: widths, schemes, axe, labels, title, focus.

    axe looks at each width once, and for contrast at each scheme once: no colour depends on the
    width, nothing but colours on the scheme.
    """
    page.evaluate(AXE_SCRIPT)
    found = []
    show(page, name, 1280, "dark")
    found += [f"at 1280, dark: {each}" for each in axe(page, only=CONTRAST)]
    show(page, name, 1280, "light")
    found += too_wide(page, 1280)
    found += [f"at 1280, light: {each}" for each in axe(page)]
    # From the first Tab on the browser shows the focus, wherever it goes.
    page.keyboard.press("Tab")
    found += page.evaluate(LOOK)
    for width in (ZOOMED, NARROW):
        resize(page, width)
        found += too_wide(page, width)
    if PICTURES:
        show(page, name, 360, "light")
    show(page, name, 360, "dark")
    found += too_wide(page, 360)
    found += [f"at 360, dark: {each}" for each in axe(page, without=CONTRAST)]
    page.emulate_media(color_scheme="light")
    return found


def headings(page: Page) -> list[str]:
    """The headings one sees, in order."""
    found: list[str] = page.evaluate(HEADINGS)
    return found


@contextmanager
def window(browser: Browser, site: str, client: Client, **options: Any) -> Iterator[Page]:
    """A browser of its own for one person, closed in the end; it gives up instead of waiting.

    Only one at a time: Chromium stops drawing the pages of windows that it takes for covered.
    """
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    context.set_default_navigation_timeout(PATIENCE_MS)
    carry(context, client, site)
    try:
        yield context.new_page()
    finally:
        context.close()


def listen(page: Page, site: str) -> list[str]:
    """A list that grows with what the page tells its console and whom else it asks.

    What breaks the Content-Security-Policy is told to the console, too.
    """
    heard: list[str] = []
    page.on("console", lambda said: heard.append(f"says {said.text}"))
    page.on("pageerror", lambda error: heard.append(f"fails: {error}"))
    page.on("request", lambda asked: _note_foreign(heard, asked.url, site))
    return heard


def _note_foreign(heard: list[str], url: str, site: str) -> None:
    # The picture of the second factor's key is part of its page.
    if not url.startswith((f"{site}/", "data:image/")):
        heard.append(f"asks {url}")
