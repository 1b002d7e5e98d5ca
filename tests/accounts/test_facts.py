"""What others say about somebody: taken only where allowed, shown only once accepted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from accounts import connections, fact_news, facts, keys
from accounts.facts import NoSuchFact, NotWanted, SourceForbidden, TooMany
from accounts.models import Fact, ProfileSetting, User
from accounts.visibility import Reach, Viewer, visible
from accounts.visibility import Shown as Seen
from audit.log import SYSTEM, person
from audit.models import AuditEntry
from consent import mail
from consent.ledger import UnknownChoice
from consent.models import Event, Message
from datamap.models import Subject
from policy.models import PolicyVersion
from tests.factories.accounts import member, minor
from tests.factories.api import with_key
from tests.factories.facts import WORDS, delivered, lets_others, told
from tests.factories.policy import edited, publish_bytes, relabelled

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CHARGE_BACK = "The card company, in case of a charge-back"


@pytest.fixture
def two(wecustomers: PolicyVersion) -> tuple[UUID, UUID]:
    """The subjects of two members: whom it is about, and who tells."""
    return member().subject_id, member().subject_id


def accept(fact: Fact, audience: str = "members") -> None:
    facts.accept(
        subject_id=fact.subject_id,
        handle=fact.handle,
        audience=audience,
        actor=person(fact.subject_id),
        now=NOW,
    )


def test_nothing_is_taken_without_a_yes(two: tuple[UUID, UUID]) -> None:
    owner, other = two
    assert not facts.may_tell(contributor_id=other, subject_id=owner, now=NOW)
    told(other, owner, now=NOW)
    assert facts.may_tell(contributor_id=other, subject_id=owner, now=NOW)
    lets_others(owner, now=NOW + HOUR, yes=False)
    with pytest.raises(NotWanted):
        facts.contribute(
            contributor_id=other,
            subject_id=owner,
            text="x",
            source="y",
            shown=WORDS,
            now=NOW + 2 * HOUR,
        )
    assert not Fact.objects.exists()


def test_a_fact_has_contributor_source_and_an_event_before_it(two: tuple[UUID, UUID]) -> None:
    owner, other = two
    fact = told(other, owner, now=NOW)
    event = Event.objects.get(pk=fact.cause)
    assert (fact.contributor_id, fact.source, fact.origin) == (other, "They told me", "member")
    assert (event.subject_id, event.key, event.at) == (other, "contributed-fact", NOW)
    assert event.fields == ["accounts.fact.source", "accounts.fact.text"]
    assert fact.received_at >= event.at
    entry = AuditEntry.objects.get(verb="accounts.fact-contributed")
    assert (entry.subject_id, entry.actor_id) == (owner, other)
    assert "chess" not in str(entry.facts)


def test_turning_it_off_deletes_what_waits_and_keeps_what_was_accepted(
    two: tuple[UUID, UUID],
) -> None:
    owner, other = two
    kept = told(other, owner, now=NOW)
    accept(kept)
    told(other, owner, now=NOW + HOUR, text="Sings.")
    lets_others(owner, now=NOW + DAY, yes=False)
    assert [f.pk for f in facts.about(owner)] == [kept.pk]
    assert AuditEntry.objects.get(verb="accounts.facts-dropped").facts == {"facts": 1}


def test_only_the_person_answers(two: tuple[UUID, UUID]) -> None:
    owner, other = two
    fact = told(other, owner, now=NOW)
    strangers = (other, member().subject_id)
    for who in strangers:
        with pytest.raises(NoSuchFact):
            facts.accept(
                subject_id=who, handle=fact.handle, audience="members", actor=SYSTEM, now=NOW
            )
        with pytest.raises(NoSuchFact):
            facts.remove(subject_id=who, handle=fact.handle, actor=SYSTEM, now=NOW)
    for who in (owner, strangers[1]):
        with pytest.raises(NoSuchFact):
            facts.take_back(contributor_id=who, handle=fact.handle, now=NOW)
    facts.take_back(contributor_id=other, handle=fact.handle, now=NOW)
    assert not Fact.objects.exists()


def test_what_was_accepted_is_its_owners(two: tuple[UUID, UUID]) -> None:
    owner, other = two
    fact = told(other, owner, now=NOW)
    accept(fact)
    with pytest.raises(NoSuchFact):
        facts.take_back(contributor_id=other, handle=fact.handle, now=NOW)
    with pytest.raises(NoSuchFact):
        accept(fact)
    facts.remove(subject_id=owner, handle=fact.handle, actor=person(owner), now=NOW)
    assert not Fact.objects.exists()


@pytest.mark.parametrize(
    ("audience", "seen_by"),
    [
        ("nobody", {"owner"}),
        ("connections", {"owner", "connection"}),
        ("members", {"owner", "connection", "member"}),
        ("everyone", {"owner", "connection", "member", "visitor"}),
    ],
)
def test_an_accepted_fact_is_seen_by_whom_its_owner_chose(
    two: tuple[UUID, UUID], audience: str, seen_by: set[str]
) -> None:
    owner, other = two
    ProfileSetting.objects.create(
        subject_id=owner, key="first_name", audience="everyone", since=NOW
    )
    connections.connect(one_id=owner, other_id=other, because_of="test", actor=SYSTEM, now=NOW)
    fact = told(other, owner, now=NOW)
    viewers = {
        "owner": Viewer(owner),
        "connection": Viewer(other),
        "member": Viewer(member().subject_id),
        "visitor": Viewer(),
    }
    for step in ("waiting", "accepted"):
        found = set()
        for name, viewer in viewers.items():
            shown = visible(owner=owner, viewer=viewer, now=NOW)
            assert shown is not None
            if facts.shown_with(shown):
                found.add(name)
        assert found == (seen_by if step == "accepted" else set())
        if step == "waiting":
            accept(fact, audience)


def test_a_minors_fact_is_not_shown_to_visitors(wecustomers: PolicyVersion) -> None:
    owner, other = minor().subject_id, member().subject_id
    accept(told(other, owner, now=NOW), "everyone")
    seen = {
        reach: len(facts.shown_with(Seen(subject_id=owner, handle="x", reach=reach)))
        for reach in Reach
    }
    assert seen == {Reach.VISITOR: 0, Reach.MEMBER: 1, Reach.CONNECTION: 1, Reach.OWNER: 1}


def test_blocked_and_closed_people_tell_nothing(two: tuple[UUID, UUID]) -> None:
    owner, other = two
    lets_others(owner, now=NOW)
    block = connections.block(blocker_id=owner, blocked_id=other, actor=person(owner), now=NOW)
    assert not facts.may_tell(contributor_id=other, subject_id=owner, now=NOW)
    connections.unblock(blocker_id=owner, handle=block.handle, actor=person(owner), now=NOW)
    assert facts.may_tell(contributor_id=other, subject_id=owner, now=NOW)
    assert not facts.may_tell(contributor_id=owner, subject_id=owner, now=NOW)
    for closing in ({"locked": True}, {"restricted": True}):
        for who in (owner, other):
            Subject.objects.filter(pk=who).update(**closing)
            assert not facts.may_tell(contributor_id=other, subject_id=owner, now=NOW)
            Subject.objects.filter(pk=who).update(locked=False, restricted=False)
    User.objects.filter(subject_id=other).update(unconfirmed_since=NOW)
    assert not facts.may_tell(contributor_id=other, subject_id=owner, now=NOW)


def test_nobody_floods_anybody(two: tuple[UUID, UUID], monkeypatch: pytest.MonkeyPatch) -> None:
    owner, other = two
    third, fourth = member().subject_id, member().subject_id
    told(other, owner, now=NOW)
    for limit, who, about in (
        ("MOST_OF_ONE", other, owner),
        ("MOST_A_DAY", other, fourth),
        ("MOST_WAITING", third, owner),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(facts, limit, 1)
            with pytest.raises(TooMany) as caught:
                told(who, about, now=NOW + HOUR)
            assert caught.value.most == 1
    assert Fact.objects.count() == 1


@pytest.mark.parametrize(
    "text",
    ["", "  ", "a\nb", "a\0b", "<b>bold</b>", "</p>", "x" * 501, "abc\u202edef", "a\u2028b"],
)
def test_odd_texts_are_refused(two: tuple[UUID, UUID], text: str) -> None:
    owner, other = two
    with pytest.raises(ValidationError):
        told(other, owner, now=NOW, text=text)
    assert not Fact.objects.exists()


def test_a_policy_without_the_feature_takes_nothing_from_members(
    clickandchat: PolicyVersion,
) -> None:
    owner, other = member().subject_id, member().subject_id
    with pytest.raises(UnknownChoice):
        lets_others(owner, now=NOW)
    assert not facts.may_tell(contributor_id=other, subject_id=owner, now=NOW)


def test_a_policy_without_a_purpose_of_that_name_asks_all_the_same(policy_of: Any) -> None:
    policy_of("weapp")
    owner, other = member().subject_id, member().subject_id
    assert not facts.may_tell(contributor_id=other, subject_id=owner, now=NOW)
    fact = told(other, owner, now=NOW)
    assert fact.state == "waiting"


# From outside -----------------------------------------------------------------------------------


def test_a_named_source_needs_the_yes_where_the_policy_has_the_feature(
    two: tuple[UUID, UUID],
) -> None:
    owner, _other = two
    with pytest.raises(NotWanted):
        delivered(owner, now=NOW)
    lets_others(owner, now=NOW)
    fact = delivered(owner, now=NOW + HOUR)
    entry = AuditEntry.objects.get(pk=fact.cause)
    assert (fact.state, fact.source, fact.contributor_id) == ("waiting", "Newspapers", None)
    assert (entry.verb, entry.subject_id, entry.at) == (
        "accounts.fact-delivered",
        owner,
        NOW + HOUR,
    )
    assert entry.facts == {"source": "Newspapers"}


def test_a_declared_exception_is_kept_on_file_and_shown_to_nobody(
    clickandchat: PolicyVersion,
) -> None:
    owner = member().subject_id
    fact = delivered(owner, now=NOW, source=CHARGE_BACK)
    fact.refresh_from_db()
    assert (fact.state, fact.announced_at) == ("on file", NOW)
    with pytest.raises(NoSuchFact):
        accept(fact)
    with pytest.raises(NoSuchFact):
        facts.remove(subject_id=owner, handle=fact.handle, actor=person(owner), now=NOW)
    with pytest.raises(SourceForbidden) as caught:
        delivered(owner, now=NOW, source="Newspapers")
    assert caught.value.known == [CHARGE_BACK]


def test_the_same_delivered_twice_is_stored_once(clickandchat: PolicyVersion) -> None:
    owner = member().subject_id
    first = delivered(owner, now=NOW, source=CHARGE_BACK)
    assert delivered(owner, now=NOW + HOUR, source=CHARGE_BACK).pk == first.pk
    assert AuditEntry.objects.filter(verb="accounts.fact-delivered").count() == 1


def test_the_database_refuses_facts_that_make_no_sense(two: tuple[UUID, UUID]) -> None:
    owner, other = two
    good = {
        "subject_id": owner,
        "origin": "outside",
        "source": "Newspapers",
        "text": "x",
        "state": "waiting",
        "cause": uuid4(),
        "received_at": NOW,
    }
    for wrong in (
        {"source": ""},
        {"text": ""},
        {"contributor_id": other},
        {"state": "accepted"},
        {"accepted_at": NOW},
        {"audience": "everyone"},
        {"origin": "member", "state": "on file"},
        {"announced_at": NOW},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Fact.objects.create(**{**good, **wrong})
    assert Fact.objects.create(**good).audience == "nobody"


# Telling the person -----------------------------------------------------------------------------


def letters() -> list[Message]:
    return list(Message.objects.filter(template=fact_news.TEMPLATE).order_by("posted_at"))


def test_the_person_is_told_at_once_and_then_once_a_day(two: tuple[UUID, UUID]) -> None:
    owner, other = two
    first = told(other, owner, now=NOW)
    second = told(other, owner, now=NOW + HOUR, text="Sings.")
    (letter,) = letters()
    assert (letter.subject_id, letter.category, letter.posted_at) == (owner, "account", NOW)
    text = mail.text_of(letter)
    assert reverse("accounts:facts") in text
    assert "chess" not in text
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.announcement, second.announcement) == (letter.pk, None)
    assert fact_news.announce_all(now=NOW + 2 * HOUR) == 0
    assert fact_news.announce_all(now=NOW + DAY + HOUR) == 1
    second.refresh_from_db()
    assert [second.announcement] == [letters()[1].pk]
    assert fact_news.announce_all(now=NOW + 3 * DAY) == 0


def test_a_fact_that_was_removed_is_not_announced(two: tuple[UUID, UUID]) -> None:
    owner, other = two
    told(other, owner, now=NOW)
    second = told(other, owner, now=NOW + HOUR, text="Sings.")
    facts.remove(subject_id=owner, handle=second.handle, actor=person(owner), now=NOW + HOUR)
    assert fact_news.announce_all(now=NOW + 2 * DAY) == 0


# The API ----------------------------------------------------------------------------------------


@pytest.fixture
def program(db: None) -> Any:
    """A program with a key of the site's own."""
    made = keys.make_site_key(
        name="Papers",
        scopes=["facts:write"],
        life=keys.LIVES[0],
        actor=SYSTEM,
        now=timezone.now(),
    )
    return with_key(made.text)


def post(program: Any, **body: Any) -> Any:
    return program.post(reverse("api_facts"), body, content_type="application/json")


def test_a_program_delivers_a_fact(wecustomers: PolicyVersion, program: Any) -> None:
    user = member(now=timezone.now() - DAY)
    lets_others(user.subject_id, now=timezone.now())
    answer = post(program, email=user.email.upper(), source="Blogs", text="Won a prize.")
    assert (answer.status_code, answer.json()["state"]) == (201, "waiting")
    assert Fact.objects.get().subject_id == user.subject_id
    Subject.objects.filter(pk=user.subject_id).update(external_id="4711")
    again = post(program, external_id="4711", source="Blogs", text="Won a prize.")
    assert (again.status_code, Fact.objects.count()) == (201, 1)


def test_the_api_refuses_what_the_policy_does_not_name(
    clickandchat: PolicyVersion, program: Any
) -> None:
    user = member(now=timezone.now() - DAY)
    answer = post(program, email=user.email, source="Newspapers", text="x")
    problem = answer.json()
    assert (answer.status_code, problem["sources"]) == (403, [CHARGE_BACK])
    assert problem["type"].endswith("source-forbidden")
    taken = post(program, email=user.email, source=CHARGE_BACK, text="Case 17 was opened.")
    assert (taken.status_code, taken.json()["state"]) == (201, "on file")


def test_unknown_people_and_people_who_said_no_look_alike(
    wecustomers: PolicyVersion, program: Any
) -> None:
    user = member(now=timezone.now() - DAY)
    answers = [
        post(program, email=email, source="Blogs", text="x")
        for email in (user.email, "nobody@example.com")
    ]
    said = [{k: v for k, v in a.json().items() if k != "instance"} for a in answers]
    assert [a.status_code for a in answers] == [409, 409]
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"text": "<b>x</b>"}, "/text"),
        ({"text": "x" * 501}, "/text"),
        ({"text": None}, "/text"),
        ({"source": ""}, "/source"),
        ({"email": "no address"}, "/email"),
        ({"external_id": "1"}, "/external_id"),
        ({"email": None}, "/external_id"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_wrong_bodies_are_refused_by_field(
    wecustomers: PolicyVersion, program: Any, change: dict[str, Any], pointer: str
) -> None:
    body = {"email": "person@example.com", "source": "Blogs", "text": "x"} | change
    answer = post(program, **body)
    assert (answer.status_code, [e["pointer"] for e in answer.json()["errors"]]) == (400, [pointer])


def test_a_persons_key_delivers_nothing(wecustomers: PolicyVersion) -> None:
    user = member(now=timezone.now() - DAY)
    with pytest.raises(keys.UnknownScope):
        keys.make(
            user=user,
            name="x",
            scopes=["facts:write"],
            life=keys.LIVES[0],
            actor=SYSTEM,
            now=timezone.now(),
        )
    made = keys.make(
        user=user,
        name="x",
        scopes=["choices:read"],
        life=keys.LIVES[0],
        actor=SYSTEM,
        now=timezone.now(),
    )
    assert post(with_key(made.text), email=user.email, source="Blogs", text="x").status_code == 403


def test_a_stricter_policy_counts_from_then_on(two: tuple[UUID, UUID]) -> None:
    owner, other = two
    told(other, owner, now=NOW)
    source = edited(
        "policies/wecustomers.toml", ("contributed_facts = true", "contributed_facts = false")
    )
    publish_bytes(relabelled(source, "closed"), now=NOW - 40 * DAY)
    assert not facts.may_tell(contributor_id=other, subject_id=owner, now=NOW + HOUR)
