"""Who sees what of whom: by what is served, for each part, audience and viewer."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import people, profiles, visibility
from accounts.age import learn_birth_date, report_child
from accounts.models import ProfileSetting, User
from accounts.roles import Role
from accounts.visibility import PARTS, VISITOR, Reach, Viewer, setting_at, visible, visible_to
from audit.log import SYSTEM
from audit.models import AuditEntry
from datamap import encryption
from datamap.models import Subject
from policy import current
from policy.models import PolicyVersion
from tests.factories.accounts import JOINED, member, minor, prove_second_factor, staff_member
from tests.factories.api import caller
from tests.factories.policy import edited, publish_bytes
from tests.factories.profiles import (
    WORDS,
    block,
    connect,
    handle_of,
    profile_of,
    set_profile,
    signed_in,
    with_profile,
)

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)
LEVELS = ("nobody", "connections", "members", "everyone")
SEES = {
    "owner": LEVELS,
    "connection": LEVELS[1:],
    "member": LEVELS[2:],
    "support": LEVELS[2:],
    "key": LEVELS[2:],
    "visitor": LEVELS[3:],
    "blocked": LEVELS[3:],
    "blocking": LEVELS[3:],
}


@pytest.fixture(autouse=True)
def places(wecustomers: PolicyVersion, settings: Any, tmp_path: Path) -> None:
    cache.clear()
    settings.STORAGES = {
        **settings.STORAGES,
        "photos": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }


def browser_of(who: str, owner: User) -> Client:
    """A browser, or a program with a key, of somebody who stands so to the owner."""
    match who:
        case "owner":
            return signed_in(owner)
        case "visitor":
            return Client()
        case "support":
            return prove_second_factor(Client(), staff_member(Role.SUPPORT))
        case "key":
            return caller(member(), "people:read")
    viewer = member()
    if who == "connection":
        connect(owner, viewer)
    if who == "blocked":
        connect(owner, viewer)
        block(owner, viewer)
    if who == "blocking":
        block(viewer, owner)
    return signed_in(viewer)


def text_of(response: Any) -> str:
    """What was served, or nothing."""
    assert response.status_code in (200, 404)
    return response.content.decode(errors="replace") if response.status_code == 200 else ""


def without_tokens(response: Any) -> str:
    """A page without the forms' tokens, which are new each time."""
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", response.content.decode())


def parts_in(text: str) -> set[str]:
    return {part for part, words in WORDS.items() if words in text}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("who", SEES)
def test_the_page_the_photo_the_search_and_the_api_serve_what_the_setting_allows(
    who: str, level: str
) -> None:
    owner = with_profile(level)
    browser, handle = browser_of(who, owner), handle_of(owner)
    expected = set(WORDS) if level in SEES[who] else set()
    if who == "key":
        answer = browser.get(reverse("api_person_as_own", args=[handle]))
        assert parts_in(text_of(answer)) == expected
        assert ("photo/" in text_of(answer)) is bool(expected)
        return
    assert parts_in(text_of(browser.get(reverse("accounts:person", args=[handle])))) == expected
    photo = browser.get(reverse("accounts:photo", args=[handle]))
    assert photo.status_code == (200 if expected else 404)
    if who == "visitor":
        api = text_of(browser.get(reverse("api_person", args=[handle])))
        assert parts_in(api) == expected
        assert browser.get(reverse("accounts:people")).status_code == 302
        return
    for part in ("first_name", "last_name", "about", "interests", "networks"):
        found = text_of(browser.get(reverse("accounts:people"), {"q": WORDS[part]}))
        assert (handle in found) is bool(expected), part


@pytest.mark.parametrize("part", [*WORDS, "photo"])
@pytest.mark.parametrize("who", ["visitor", "member", "connection"])
def test_each_part_has_a_setting_of_its_own(who: str, part: str) -> None:
    """Only this one is open; all others are not."""
    owner = with_profile("nobody")
    set_profile(owner, audiences={part: "everyone"}, now=NOW)
    browser, handle = browser_of(who, owner), handle_of(owner)
    page = text_of(browser.get(reverse("accounts:person", args=[handle])))
    assert parts_in(page) == {part} - {"photo"}
    photo = browser.get(reverse("accounts:photo", args=[handle]))
    assert photo.status_code == (200 if part == "photo" else 404)


def test_by_default_members_see_first_name_initial_and_photo_and_visitors_nothing() -> None:
    owner = with_profile()
    page = reverse("accounts:person", args=[handle_of(owner)])
    seen = text_of(signed_in(member()).get(page))
    assert "Zaphira Q." in seen
    assert parts_in(seen) == {"first_name"}
    assert f"{page}photo/" in seen
    assert Client().get(page).status_code == 404
    connection = text_of(browser_of("connection", owner).get(page))
    assert parts_in(connection) == {"first_name"}


def test_whoever_confirmed_an_address_is_found_and_a_newcomer_is_not() -> None:
    found, unconfirmed = member(first_name="Ottilie"), member(first_name="Ottilie", confirmed=False)
    page = text_of(signed_in(member()).get(reverse("accounts:people"), {"q": "ottilie"}))
    assert handle_of(found) in page
    assert page.count('href="/people/') == 1
    assert not hasattr(Subject.objects.get(pk=unconfirmed.subject_id), "profile")


def test_nobody_at_all_and_nobody_for_you_look_the_same() -> None:
    owner = with_profile("nobody")
    for browser in (Client(), signed_in(member())):
        real = browser.get(reverse("accounts:person", args=[handle_of(owner)]))
        none = browser.get(reverse("accounts:person", args=["A" * 22]))
        assert (real.status_code, none.status_code) == (404, 404)
        assert without_tokens(real) == without_tokens(none)


@pytest.mark.parametrize(
    "how", ["locked", "restricted", "erased", "inactive", "unconfirmed", "child"]
)
def test_who_is_gone_for_now_is_shown_to_nobody(how: str) -> None:
    owner = with_profile("everyone")
    handle, friend = handle_of(owner), browser_of("connection", owner)
    subject = Subject.objects.filter(pk=owner.subject_id)
    match how:
        case "locked":
            subject.update(locked=True)
        case "restricted":
            subject.update(restricted=True)
        case "erased":
            subject.update(erased_at=NOW, email=None)
        case "inactive":
            User.objects.filter(pk=owner.pk).update(is_active=False)
        case "unconfirmed":
            User.objects.filter(pk=owner.pk).update(unconfirmed_since=NOW)
        case "child":
            report_child(
                subject=owner.subject, source="parent", actor=SYSTEM, now=NOW, arrived_at=NOW
            )
    for browser in (Client(), friend):
        assert browser.get(reverse("accounts:person", args=[handle])).status_code == 404
        assert browser.get(reverse("accounts:photo", args=[handle])).status_code == 404
        assert browser.get(reverse("api_person", args=[handle])).status_code == 404
    search = text_of(friend.get(reverse("accounts:people"), {"q": "Zaphira"}))
    assert handle not in search


@pytest.mark.parametrize("change", [{"restricted": True}, {"locked": True}])
def test_who_may_do_nothing_sees_others_as_a_visitor_does(change: dict[str, bool]) -> None:
    owner, viewer = with_profile("members"), member()
    Subject.objects.filter(pk=viewer.subject_id).update(**change)
    assert visible(owner=owner.subject_id, viewer=Viewer(viewer.subject_id), now=NOW) is None


def test_minors_begin_with_private_settings() -> None:
    """WC-16: strangers find no child; whom they know recognises them."""
    owner = minor(first_name="Zaphira", last_name="Quillfeather")
    set_profile(owner, values={"about": WORDS["about"]})
    stranger, friend = member(), member()
    connect(owner, friend)
    page = reverse("accounts:person", args=[handle_of(owner)])
    assert Client().get(page).status_code == 404
    assert signed_in(stranger).get(page).status_code == 404
    seen = text_of(signed_in(friend).get(page))
    assert "Zaphira Q." in seen
    assert parts_in(seen) == {"first_name"}


def test_minors_open_nothing_to_visitors() -> None:
    owner = minor()
    with pytest.raises(profiles.WrongParts) as wrong:
        set_profile(owner, audiences={"about": "everyone"})
    assert wrong.value.errors == {"audiences.about": "Choose one of: nobody, connections, members."}
    set_profile(owner, values=WORDS, audiences=dict.fromkeys(WORDS, "members"))
    ProfileSetting.objects.filter(subject_id=owner.subject_id).update(audience="everyone")
    page = reverse("accounts:person", args=[handle_of(owner)])
    assert Client().get(page).status_code == 404
    assert parts_in(text_of(signed_in(member()).get(page))) == set(WORDS)


def test_who_turns_out_to_be_a_minor_is_open_to_connections_at_most() -> None:
    owner = with_profile("everyone")
    set_profile(owner, audiences={"about": "nobody"}, now=NOW)
    profiles.narrow(subject_id=owner.subject_id, actor=SYSTEM, now=NOW + timedelta(minutes=1))
    settings = visibility.settings_of([owner.subject_id])[owner.subject_id]
    assert settings.pop("about") == "nobody"
    assert set(settings.values()) == {"connections"}
    assert profile_of(owner).guarded


def test_a_birth_date_that_makes_a_minor_closes_the_profile_at_once() -> None:
    owner = with_profile("everyone")
    page = reverse("accounts:person", args=[handle_of(owner)])
    assert Client().get(page).status_code == 200
    born_on = date(NOW.year - 15, 1, 15)
    learn_birth_date(subject=owner.subject, born_on=born_on, source="staff", actor=SYSTEM, now=NOW)
    assert Client().get(page).status_code == 404
    assert signed_in(member()).get(page).status_code == 404
    assert parts_in(text_of(browser_of("connection", owner).get(page))) == set(WORDS)
    entry = AuditEntry.objects.get(verb="accounts.profile-narrowed")
    assert entry.facts == {"parts": sorted(PARTS)}


def test_coming_of_age_opens_nothing_by_itself() -> None:
    owner = minor()
    Subject.objects.filter(pk=owner.subject_id).update(minor=False)
    page = reverse("accounts:person", args=[handle_of(owner)])
    assert signed_in(member()).get(page).status_code == 404


def test_the_setting_of_a_day_is_known_later() -> None:
    """WC-20 is judged by the setting of its day."""
    owner = member()
    first, second = JOINED + timedelta(days=1), JOINED + timedelta(days=2)
    set_profile(owner, audiences={"about": "members"}, now=first)
    set_profile(owner, audiences={"about": "nobody"}, now=second)
    set_profile(owner, audiences={"about": "nobody"}, now=second + timedelta(days=1))
    tick = timedelta(microseconds=1)
    times = (first - tick, first, second - tick, second, NOW)
    found = [setting_at(subject_id=owner.subject_id, key="about", at=at) for at in times]
    assert found == ["nobody", "members", "members", "nobody", "nobody"]
    assert setting_at(subject_id=owner.subject_id, key="photo", at=NOW) == "members"
    assert ProfileSetting.objects.filter(subject_id=owner.subject_id).count() == 2


def test_two_changes_in_one_instant_keep_their_order() -> None:
    owner = member()
    set_profile(owner, audiences={"about": "members"}, now=NOW)
    set_profile(owner, audiences={"about": "everyone"}, now=NOW)
    first, second = ProfileSetting.objects.order_by("since")
    assert (first.audience, second.audience) == ("members", "everyone")
    assert first.until == second.since > first.since
    assert second.until is None


def test_a_policy_without_profiles_has_none(client: Client) -> None:
    owner = with_profile("everyone")
    handle = handle_of(owner)
    source = edited("policies/wecustomers.toml", ('key = "profile"', 'key = "no-profile"'))
    publish_bytes(source.replace(b'"2015-12-21"', b'"none"', 1), now=NOW)
    assert visibility.offered(current.document(NOW + timedelta(days=60))) == ()
    shown = visible(owner=owner.subject_id, viewer=VISITOR, now=NOW + timedelta(days=60))
    assert shown is None
    assert handle


@pytest.mark.parametrize("count", [1, 3])
def test_many_people_take_as_many_queries_as_one(
    count: int, django_assert_num_queries: Any
) -> None:
    owners, viewer = [with_profile("members") for _ in range(count)], member()
    current.document(NOW)
    with django_assert_num_queries(5):
        shown = visible_to(
            owners=[owner.subject_id for owner in owners],
            viewer=Viewer(viewer.subject_id),
            now=NOW,
        )
    assert len(shown) == count


@pytest.mark.parametrize("viewed_by", ["visitor", "member"])
def test_asking_for_an_address_nobody_has_is_as_much_work(viewed_by: str) -> None:
    owner = with_profile("nobody")
    viewer = VISITOR if viewed_by == "visitor" else Viewer(member().subject_id)
    counted = []
    for handle in (handle_of(owner), "A" * 22):
        with CaptureQueriesContext(connection) as queries:
            assert people.by_handle(handle=handle, viewer=viewer, now=NOW) is None
        counted.append(len(queries))
    assert counted[0] == counted[1]


def test_only_what_is_asked_for_is_decrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = with_profile("everyone")
    opened: list[bytes] = []

    def note(value: bytes) -> str:
        opened.append(value)
        return "x"

    monkeypatch.setattr(encryption, "decrypt", note)
    visible_to(owners=[owner.subject_id], viewer=VISITOR, now=NOW, only=("first_name",))
    assert opened == []
    visible_to(owners=[owner.subject_id], viewer=VISITOR, now=NOW, only=("phone",))
    assert len(opened) == 1


def test_every_part_is_a_field_of_the_data_map() -> None:
    offered = visibility.offered(current.document(NOW))
    assert [part.key for part in offered] == list(PARTS)
    assert set(WORDS) | {"photo"} == set(PARTS)
    assert [reach.value for reach in Reach] == [0, 1, 2, 3]


def test_pages_of_people_are_kept_by_no_cache_and_no_archive() -> None:
    owner = with_profile("everyone")
    handle = handle_of(owner)
    for browser in (Client(), signed_in(owner)):
        for name in ("accounts:person", "accounts:photo", "api_person"):
            answer = browser.get(reverse(name, args=[handle]))
            assert answer.status_code == 200
            assert answer["Cache-Control"] == "private, no-store"
            assert answer["X-Robots-Tag"] == "noindex, noarchive"


def test_a_photo_is_served_as_nothing_but_a_photo() -> None:
    owner = with_profile("everyone")
    answer = Client().get(reverse("accounts:photo", args=[handle_of(owner)]))
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    policy = answer["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "script-src 'self'" not in policy
    assert answer.content[:3] == b"\xff\xd8\xff"
