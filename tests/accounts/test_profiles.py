"""One's own profile: read, changed, refused, seen through others' eyes, for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts import people, profiles
from accounts.controls import profiles as controls
from accounts.models import Profile, ProfileSetting, User
from accounts.profiles import WrongParts
from accounts.visibility import VISITOR, Viewer
from audit.control import controls as declared
from audit.control import evaluate
from audit.models import AuditEntry, Evidence
from consent.ledger import SubjectClosed
from consent.models import Event
from datamap.models import Subject
from policy.models import PolicyVersion
from tests.accounts.dump import dump
from tests.factories.accounts import member, minor
from tests.factories.api import caller
from tests.factories.profiles import (
    WORDS,
    connect,
    handle_of,
    profile_of,
    set_profile,
    signed_in,
    with_profile,
)

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)
PAGE = "accounts:profile"
PLAIN = "Write plain words: marks such as <b> are not possible here."


@pytest.fixture(autouse=True)
def places(wecustomers: PolicyVersion, settings: Any, tmp_path: Path) -> None:
    cache.clear()
    settings.STORAGES = {
        **settings.STORAGES,
        "photos": {**settings.STORAGES["photos"], "OPTIONS": {"location": str(tmp_path)}},
    }


def form_of(client: Client) -> dict[str, str]:
    """What the page's form would send as it stands."""
    form = client.get(reverse(PAGE)).context["form"]
    return {name: form.initial.get(name, "") for name in form.fields if "photo" not in name} | {
        "see_photo": form.initial["see_photo"]
    }


def send(client: Client, **changes: str) -> Any:
    return client.post(reverse(PAGE), {**form_of(client), **changes})


def errors(**values: str) -> dict[str, str]:
    """Why these values are not taken."""
    with pytest.raises(WrongParts) as wrong:
        set_profile(member(), values=values)
    return wrong.value.errors


# Changing ---------------------------------------------------------------------------------------


def test_a_profile_is_shown_back_as_it_was_filled_in() -> None:
    """WC-19."""
    user = member()
    client = signed_in(user)
    sent = send(client, **WORDS, see_phone="connections")
    assert (sent.status_code, sent.url) == (302, reverse(PAGE))
    text = client.get(reverse(PAGE)).content.decode()
    assert [part for part, words in WORDS.items() if words not in text] == []
    form = client.get(reverse(PAGE)).context["form"]
    assert form.initial["see_phone"] == "connections"
    assert form.initial["see_address"] == "nobody"


def test_a_change_counts_at_the_next_read_of_anybody() -> None:
    """WA-16."""
    owner, reader = with_profile("members"), member()
    mine, theirs = signed_in(owner), signed_in(reader)
    page = reverse("accounts:person", args=[handle_of(owner)])
    assert WORDS["about"] in theirs.get(page).content.decode()
    assert send(mine, see_about="nobody").status_code == 302
    assert WORDS["about"] not in theirs.get(page).content.decode()
    assert send(mine, about="I tune pianos.", see_about="everyone").status_code == 302
    assert "I tune pianos." in Client().get(page).content.decode()


def test_sensitive_parts_are_stored_encrypted() -> None:
    user = with_profile()
    row: Any = Profile.objects.filter(pk=profile_of(user).pk).values().get()
    for part in ("phone", "address", "postcode"):
        stored = row[part]
        assert stored is not None
        assert WORDS[part].encode() not in bytes(stored)
        assert len(stored) > 60
    set_profile(user, values={"phone": ""})
    assert profile_of(user).phone is None


def test_each_change_leaves_its_cause_and_no_value_in_the_log() -> None:
    user = member()
    set_profile(user, values=WORDS, audiences={"phone": "connections"})
    event = Event.objects.get(subject_id=user.subject_id, key="profile")
    assert event.fields == sorted(
        ["accounts.account.first_name", "accounts.account.last_name"]
        + [f"accounts.profile.{part}" for part in WORDS if not part.endswith("_name")]
    )
    entries = AuditEntry.objects.filter(verb__startswith="accounts.profile")
    told = {entry.verb: entry.facts for entry in entries}
    assert told == {
        "accounts.profile-changed": {"parts": sorted(WORDS)},
        "accounts.profile-settings-changed": {"parts": ["phone"]},
    }


def test_the_same_again_changes_nothing() -> None:
    user = member()
    set_profile(user, values=WORDS, audiences={"phone": "connections"})
    before = dump()
    set_profile(user, values=WORDS, audiences={"phone": "connections"}, now=NOW)
    assert dump() == before


def test_emptying_a_part_is_no_submission() -> None:
    user = with_profile()
    events = Event.objects.count()
    set_profile(user, values={"about": "", "phone": ""}, now=NOW)
    assert Event.objects.count() == events
    assert (profile_of(user).about, profile_of(user).phone) == ("", None)


def test_looking_at_it_writes_nothing() -> None:
    user = member()
    Profile.objects.all().delete()
    client = signed_in(user)
    before = dump()
    assert "You have no page yet" in client.get(reverse(PAGE)).content.decode()
    assert dump() == before


# Refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["about", "interests", "networks", "first_name", "address"])
@pytest.mark.parametrize("text", ["<b>x</b>", "<script>1", "a </p>", "<!-- x", "< img src=x>"])
def test_markup_is_refused_by_the_name_of_the_field(part: str, text: str) -> None:
    assert errors(**{part: text}) == {f"values.{part}": PLAIN}


def test_smaller_than_three_is_no_markup() -> None:
    user = member()
    set_profile(user, values={"about": "I <3 bees, and 2 < 3.\n\nSo there."})
    assert profile_of(user).about == "I <3 bees, and 2 < 3.\n\nSo there."


@pytest.mark.parametrize(
    ("part", "text", "why"),
    [
        ("about", "x" * 2001, "This is longer than 2000 characters. Shorten it."),
        ("interests", "x" * 1_000_000, "This is longer than 500 characters. Shorten it."),
        ("phone", "call me", "Write a phone number: digits, spaces, and + ( ) / . - if needed."),
        ("phone", "1" * 41, "This is longer than 40 characters. Shorten it."),
        ("postcode", "###", "Write a postal code: letters, digits, spaces and hyphens."),
        (
            "interests",
            "a\nb",
            "Write this on one line, without special control characters.",
        ),
        ("about", "a\x00b", "Leave out special control characters."),
        ("about", "a\u202egnp", "Leave out special control characters."),
        ("first_name", "", "An account needs this. You can change it."),
        ("first_name", "  \u3000 ", "An account needs this. You can change it."),
        ("email", "x@example.com", "There is no such part of a profile here."),
        ("photo", "x.jpg", "There is no such part of a profile here."),
        ("password", "x", "There is no such part of a profile here."),
    ],
)
def test_what_is_no_value_is_refused(part: str, text: str, why: str) -> None:
    assert errors(**{part: text}) == {f"values.{part}": why}


def test_all_mistakes_are_told_at_once_and_nothing_is_changed() -> None:
    user = member()
    before = dump()
    with pytest.raises(WrongParts) as wrong:
        set_profile(
            user,
            values={"about": "fine", "phone": "x", "interests": "<b>"},
            audiences={"about": "the public", "email": "everyone", "phone": ""},
        )
    assert sorted(wrong.value.errors) == [
        "audiences.about",
        "audiences.email",
        "audiences.phone",
        "values.interests",
        "values.phone",
    ]
    assert dump() == before


def test_the_database_refuses_a_forged_audience() -> None:
    user = with_profile("members")
    from django.db import IntegrityError, transaction

    with pytest.raises(IntegrityError), transaction.atomic():
        ProfileSetting.objects.filter(subject_id=user.subject_id).update(audience="public")


def test_a_megabyte_is_refused_beside_its_field() -> None:
    user = member()
    answer = send(signed_in(user), about="x" * 1_000_000)
    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == ["about"]
    assert profile_of(user).about == ""


def test_forged_settings_are_refused_beside_their_field() -> None:
    user = member()
    answer = send(signed_in(user), see_about="public", see_phone="")
    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == ["see_phone", "see_about"]
    assert not ProfileSetting.objects.exists()


def test_markup_that_came_in_another_way_is_shown_as_text() -> None:
    user = with_profile("everyone")
    Profile.objects.filter(pk=profile_of(user).pk).update(about="<script>1</script>")
    page = Client().get(reverse("accounts:person", args=[handle_of(user)])).content.decode()
    assert "<script>1" not in page
    assert "&lt;script&gt;1" in page


@pytest.mark.parametrize("closed", ["locked", "restricted"])
def test_nothing_is_added_for_somebody_closed(closed: str) -> None:
    user = member()
    Subject.objects.filter(pk=user.subject_id).update(**{closed: True})
    with pytest.raises(SubjectClosed):
        set_profile(user, values={"about": "x"})
    assert profile_of(user).about == ""


def test_nobody_else_changes_a_profile() -> None:
    owner, other = with_profile(), member()
    assert Client().post(reverse(PAGE), {}).status_code == 302
    send(signed_in(other), about="mine")
    assert profile_of(owner).about == WORDS["about"]


def test_a_form_without_its_token_is_refused() -> None:
    user = member()
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    assert client.post(reverse(PAGE), form_of(client)).status_code == 403


def test_changes_are_limited() -> None:
    client = signed_in(member())
    sent = form_of(client)
    codes = [client.post(reverse(PAGE), sent).status_code for _ in range(31)]
    assert (codes[0], codes[-1]) == (302, 429)


# Pages ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "parts"),
    [("visitor", {"about"}), ("member", {"about", "first_name"}), ("connection", {"phone"})],
)
def test_the_preview_is_what_they_would_see(who: str, parts: set[str]) -> None:
    owner = with_profile("nobody")
    set_profile(
        owner,
        audiences={"about": "everyone", "first_name": "members", "phone": "connections"},
        now=NOW,
    )
    viewer = member()
    if who == "connection":
        connect(owner, viewer)
    browser = Client() if who == "visitor" else signed_in(viewer)
    preview = signed_in(owner).get(reverse("accounts:profile_as", args=[who])).content.decode()
    page = browser.get(reverse("accounts:person", args=[handle_of(owner)])).content.decode()
    for words in WORDS.values():
        assert (words in preview) is (words in page), words
    assert [part for part in parts if WORDS[part] not in preview] == []


def test_the_preview_of_nothing_says_so() -> None:
    owner = with_profile("nobody")
    client = signed_in(owner)
    page = client.get(reverse("accounts:profile_as", args=["visitor"])).content.decode()
    assert "They see nothing of you." in page
    assert client.get(reverse("accounts:profile_as", args=["owner"])).status_code == 404


def test_searching_is_limited_and_wants_two_letters() -> None:
    with_profile("members")
    client = signed_in(member())
    address = reverse("accounts:people")
    assert "Write at least 2 letters" in client.get(address, {"q": "z"}).content.decode()
    codes = [client.get(address, {"q": "Zaphira"}).status_code for _ in range(30)]
    assert (codes[0], codes[-1]) == (200, 429)


def test_every_word_has_to_be_seen() -> None:
    """Nobody is found by the half that they show together with the half that they hide."""
    owner, viewer = with_profile("members"), Viewer(member().subject_id)
    set_profile(owner, audiences={"interests": "nobody"}, now=NOW)

    def found(text: str) -> int:
        return len(people.search(text=text, viewer=viewer, now=NOW))

    assert (found("zaphira"), found("lichens"), found("zaphira lichens")) == (1, 0, 0)
    assert (found("QUILLFEATHER harpsi"), found("900123"), found("%%"), found("__")) == (1, 0, 0, 0)
    set_profile(owner, audiences={"last_name": "nobody"}, now=NOW)
    assert (found("Quillfeather"), found("Zaphira Q.")) == (0, 1)
    assert people.search(text="Zaphira", viewer=VISITOR, now=NOW) == []


@pytest.mark.parametrize("count", [1, 3])
def test_searching_takes_as_many_queries_for_many(
    count: int, django_assert_num_queries: Any
) -> None:
    for _ in range(count):
        with_profile("members")
    viewer = Viewer(member().subject_id)
    with django_assert_num_queries(5):
        assert len(people.search(text="Zaphira", viewer=viewer, now=NOW)) == count


def test_a_search_looks_at_a_bounded_number_of_profiles(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(people, "WINDOW", 1)
    monkeypatch.setattr(people, "MOST_WINDOWS", 2)
    for _ in range(3):
        with_profile("members")
    viewer = Viewer(member().subject_id)
    assert len(people.search(text="Zaphira", viewer=viewer, now=NOW)) == 2


# Programs ---------------------------------------------------------------------------------------


def test_a_program_reads_and_changes_its_owners_profile() -> None:
    user = member()
    program = caller(user, "profile:read", "profile:write")
    address = reverse("api_profile")
    body = {"values": {"about": "I tune pianos."}, "audiences": {"about": "everyone"}}
    changed = program.patch(address, body, content_type="application/json")
    assert changed.status_code == 200, changed.content
    assert program.get(address).json() == changed.json()
    (about,) = [part for part in changed.json()["parts"] if part["key"] == "about"]
    assert about == {
        "key": "about",
        "title": "About",
        "value": "I tune pianos.",
        "photo_url": None,
        "audience": "everyone",
    }
    seen = Client().get(reverse("api_person", args=[handle_of(user)])).json()
    assert (seen["name"], [part["value"] for part in seen["parts"]]) == ("", ["I tune pianos."])
    event = Event.objects.get(key="profile")
    assert (event.channel, event.evidence[:16]) == ("api", "accounts.apikey:")


def test_a_program_is_told_what_is_wrong_by_its_place() -> None:
    program = caller(member(), "profile:write")
    body = {"values": {"about": "<b>", "shoe": "9"}, "audiences": {"phone": "public"}}
    answer = program.patch(reverse("api_profile"), body, content_type="application/json")
    assert answer.status_code == 400
    assert sorted(each["pointer"] for each in answer.json()["errors"]) == [
        "/audiences/phone",
        "/values/about",
        "/values/shoe",
    ]
    assert not ProfileSetting.objects.exists()


def test_scopes_are_wanted() -> None:
    program = caller(member(), "choices:read")
    address = reverse("api_profile")
    assert program.get(address).status_code == 403
    assert program.patch(address, {}, content_type="application/json").status_code == 403
    assert program.get(reverse("api_person_as_own", args=["x"])).status_code == 403
    assert Client().get(address).status_code == 401


# Controls ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["accounts.visibility", "accounts.profile"])
def test_a_site_that_keeps_its_promise_is_said_to(key: str, tmp_path: Path) -> None:
    with_profile("everyone")
    with_profile("nobody")
    set_profile(minor(), values={"about": "school"})
    before, files = dump(), sorted(each.name for each in tmp_path.iterdir())
    evidence = evaluate(control=declared()[key], now=NOW)
    assert (evidence.outcome, evidence.violation_ids) == (Evidence.Outcome.KEPT, [])
    assert evidence.checked > 5
    after = dump()
    assert {table for table in after if after[table] != before[table]} == {"audit_evidence"}
    assert sorted(each.name for each in tmp_path.iterdir()) == files


def test_a_decision_that_lets_members_see_too_much_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from accounts import visibility

    needed = {**visibility.NEEDED, "connections": visibility.Reach.MEMBER}
    monkeypatch.setattr(visibility, "NEEDED", needed)
    found = evaluate(control=declared()["accounts.visibility"], now=NOW)
    assert found.outcome == Evidence.Outcome.BROKEN
    told = {tuple(each.split(":")[:2]) for each in found.violation_ids}
    assert ("shown", "member") in told
    assert ("shown", "visitor") not in told


def test_a_decision_that_hides_too_much_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    from accounts import visibility

    needed = {**visibility.NEEDED, "everyone": visibility.Reach.MEMBER}
    monkeypatch.setattr(visibility, "NEEDED", needed)
    finding = controls.visibility(NOW)
    assert {tuple(each.split(":")[:2]) for each in finding.violations} >= {("hidden", "visitor")}


def test_a_block_that_blocks_nothing_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    from accounts import visibility

    monkeypatch.setattr(visibility, "blocked_between", lambda **_: set())
    finding = controls.visibility(NOW)
    assert {tuple(each.split(":")[:2]) for each in finding.violations} >= {("shown", "blocked")}


def test_a_page_that_shows_a_strangers_word_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the pages of real people, too."""
    from accounts.views import profiles as view

    user = with_profile("nobody")
    set_profile(user, audiences={"first_name": "everyone"}, now=NOW)
    planted = lambda shown: [{"term": "x", "text": WORDS["phone"]}]  # noqa: E731
    monkeypatch.setattr("accounts.views.people.lines", planted)
    finding = controls.visibility(NOW)
    assert f"shown:visitor:phone:{profile_of(user).pk}" in finding.violations
    assert view.AS


def test_a_setting_that_counts_late_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "_set", lambda *args, **kwargs: None)
    violations = controls.profile(NOW).violations
    assert "not at the next read:members" in violations
    assert "not at the next read:everyone" in violations


def test_a_history_with_a_gap_is_reported() -> None:
    user = member()
    set_profile(user, audiences={"about": "members"})
    set_profile(user, audiences={"about": "nobody"}, now=NOW)
    first, _second = ProfileSetting.objects.order_by("since")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_profilesetting SET until = since WHERE id = %s", [first.pk])
    assert controls.profile(NOW).violations == (f"history:{first.pk}",)


def test_users_names_change_with_the_profile() -> None:
    user = member()
    set_profile(user, values={"first_name": "Ada", "last_name": "Byron"})
    changed = User.objects.get(pk=user.pk)
    assert (changed.first_name, changed.last_name) == ("Ada", "Byron")
