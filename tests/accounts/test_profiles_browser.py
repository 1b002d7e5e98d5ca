"""Profiles in a real browser, with scripts and without, at both widths and schemes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, Page

from accounts.models import User
from tests.factories.accounts import member
from tests.factories.policy import publish_file
from tests.factories.profiles import (
    WORDS,
    handle_of,
    photo,
    picture,
    set_profile,
    signed_in,
    with_profile,
)
from tests.plugins.looking import barriers, carry, look, window

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def site(live_server: Any, settings: Any, tmp_path: Path) -> str:
    settings.SITE_URL = live_server.url
    settings.STORAGES = {
        **settings.STORAGES,
        "photos": {**settings.STORAGES["photos"], "OPTIONS": {"location": str(tmp_path)}},
    }
    cache.clear()
    publish_file()
    return str(live_server.url)


def fill_in(page: Page, site: str) -> None:
    page.goto(site + reverse("accounts:profile"))
    page.get_by_label("About").first.fill("I repair clocks.")
    page.locator("#id_see_about").select_option("everyone")
    page.locator("#id_see_photo").select_option("everyone")
    page.locator("#id_photo").set_input_files(
        {"name": "me.png", "mimeType": "image/png", "buffer": picture("PNG", colour="orange")}
    )
    page.locator("main form button").last.click()
    page.get_by_text("Saved. From now on it is shown so.").wait_for()


@pytest.mark.parametrize("script", [True, False])
def test_a_person_fills_in_a_profile_and_a_visitor_sees_it(
    site: str, browser: Browser, script: bool
) -> None:
    user = member()
    with window(browser, site, signed_in(user), java_script_enabled=script) as mine:
        fill_in(mine, site)
    with window(browser, site, Client(), java_script_enabled=script) as theirs:
        theirs.goto(site + reverse("accounts:person", args=[handle_of(user)]))
        theirs.get_by_text("I repair clocks.").wait_for()
        shown = theirs.locator("img.portrait")
        assert shown.bounding_box() is not None
        assert theirs.get_by_text("Robin").count() == 0


def test_pages_of_profiles_have_no_barriers(site: str, page: Page) -> None:
    user, other = with_profile("members"), other_people()
    carry(page, signed_in(user), site)
    for name, path in {
        "profile": reverse("accounts:profile"),
        "profile_as": reverse("accounts:profile_as", args=["member"]),
        "profile_as_nothing": reverse("accounts:profile_as", args=["visitor"]),
        "person_me": reverse("accounts:person", args=[handle_of(user)]),
        "person_other": reverse("accounts:person", args=[handle_of(other)]),
        "people": f"{reverse('accounts:people')}?q=lichens",
        "people_none": f"{reverse('accounts:people')}?q=nothing",
    }.items():
        look(page, site + path, name)


def test_what_is_wrong_is_said_beside_its_field(site: str, page: Page) -> None:
    carry(page, signed_in(with_profile()), site)
    page.goto(site + reverse("accounts:profile"))
    page.get_by_label("Phone number").first.fill("call me")
    page.locator("#id_photo").set_input_files(
        {"name": "me.svg", "mimeType": "image/svg+xml", "buffer": b"<svg/>"}
    )
    page.locator("main form button").last.click()
    page.locator("#id_phone_error").wait_for()
    assert "We can't read this as a photo." in page.locator("#id_photo_error").inner_text()
    page.evaluate("document.activeElement.blur()")
    look_here(page, "profile_wrong")


def look_here(page: Page, name: str) -> None:
    """As `look`, of a page that came of sending a form."""
    assert barriers(page, name) == []


def other_people() -> User:
    """Some who are found by one word."""
    for colour in ("red", "green"):
        user = member(first_name="Wilhelmina", last_name="Lichenfield")
        set_profile(user, values=WORDS, audiences={"interests": "members"}, photo=photo(colour))
    return user
