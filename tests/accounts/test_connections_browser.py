"""Connections and facts in a real browser, on a small screen, with script and without."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser

from accounts.models import Connection, Fact, Profile, User
from tests.factories.accounts import member
from tests.factories.connections import asks, some_connections
from tests.factories.facts import lets_others, some_facts
from tests.factories.policy import publish_file
from tests.plugins.looking import window, wrong

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def site(live_server: Any, settings: Any) -> str:
    settings.SITE_URL = live_server.url
    cache.clear()
    publish_file()
    return str(live_server.url)


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page_of(user: User) -> str:
    return reverse("accounts:person", args=[Profile.objects.get(subject=user.subject).handle])


def test_pages_are_without_barriers(site: str, browser: Browser) -> None:
    now, user, other = timezone.now(), member(), member(first_name="Ada")
    some_connections(user.subject_id, now=now)
    some_facts(user.subject_id, now=now)
    lets_others(other.subject_id, now=now)
    tell = f"{page_of(other)}facts/"
    pages = {
        "connections": reverse("accounts:connections"),
        "facts": reverse("accounts:facts"),
        "person": page_of(other),
        "own": page_of(user),
        "tell": tell,
    }
    found = {}
    with window(browser, site, browser_of(user)) as page:
        for name, path in pages.items():
            page.goto(site + path)
            found[name] = wrong(page, f"people-{name}")
    assert {name: said for name, said in found.items() if said} == {}


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
def test_two_people_connect_and_one_tells_about_the_other(
    site: str, browser: Browser, script: bool
) -> None:
    ada, robin = member(first_name="Ada"), member(first_name="Robin")
    lets_others(robin.subject_id, now=timezone.now())
    small = {"viewport": {"width": 360, "height": 800}, "java_script_enabled": script}
    with window(browser, site, browser_of(ada), **small) as page:
        page.goto(site + page_of(robin))
        page.get_by_role("button", name="Ask to connect").click()
        page.get_by_text("No answer yet").wait_for()
        page.goto(site + page_of(robin))
        page.get_by_role("link", name="Tell something about them").click()
        page.get_by_label("What you know about them").fill("Keeps bees.")
        page.get_by_label("Where you have it from").fill("They told me")
        page.get_by_role("button", name="Tell it").click()
        page.get_by_text("They decide whether anybody else sees it").wait_for()
    with window(browser, site, browser_of(robin), **small) as page:
        page.goto(site + reverse("privacy"))
        page.get_by_text("1 person asks to connect").wait_for()
        page.get_by_text("1 fact waits for your answer").wait_for()
        page.goto(site + reverse("accounts:connections"))
        page.get_by_role("button", name=re.compile("Connect.*Ada E")).click()
        page.get_by_text("You are connected.").wait_for()
        page.goto(site + reverse("accounts:facts"))
        page.get_by_label("Who sees it").select_option("connections")
        page.get_by_role("button", name=re.compile("Accept it")).click()
        page.get_by_role("heading", name="In your profile").wait_for()
    assert Fact.objects.get().audience == "connections"
    with window(browser, site, browser_of(ada), **small) as page:
        page.goto(site + page_of(robin))
        page.get_by_text("Keeps bees.").wait_for()
        page.get_by_role("button", name="Block").click()
        page.get_by_text("Blocked. They are not told.").wait_for()
    assert not Connection.objects.exists()
    with window(browser, site, browser_of(robin), **small) as page:
        page.goto(site + reverse("accounts:connections"))
        page.get_by_text("Nobody so far").wait_for()


def test_saying_no_is_as_easy_as_saying_yes(site: str, browser: Browser) -> None:
    ada, robin = member(first_name="Ada"), member()
    asks(ada.subject_id, robin.subject_id, now=timezone.now())
    with window(browser, site, browser_of(robin)) as page:
        page.goto(site + reverse("accounts:connections"))
        yes = page.get_by_role("button", name=re.compile("Connect.*Ada E"))
        no = page.get_by_role("button", name=re.compile("Say no.*Ada E"))
        look = """each => { const found = getComputedStyle(each);
            return [found.color, found.backgroundColor, found.fontSize, found.borderColor]; }"""
        assert yes.evaluate(look) == no.evaluate(look)
        no.click()
        page.get_by_text("They are not told.").first.wait_for()
