"""A request comes in once, with the law's clock and a way to follow it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.utils import ProgrammingError
from django.test import Client
from django.urls import reverse

from audit.log import person
from audit.models import AuditEntry
from consent import mail
from consent.ledger import Shown
from consent.models import Event, Message
from policy.models import PolicyVersion
from requests import intake, links, wording
from requests.models import Letter, Request, RequestEvent, StatusLink
from tests.factories.accounts import member, staff_member
from tests.factories.policy import edited, publish_bytes, relabelled
from tests.factories.requests import NOW, asked, asked_with_link, erased


def test_open_deletion_stores_clock_steps_and_proof(wecustomers: PolicyVersion) -> None:
    user = member()
    request, token = asked_with_link(user)
    assert (request.kind, request.state, request.channel) == (
        "deletion",
        "in_review",
        "privacy centre",
    )
    assert request.policy_digest == wecustomers.digest
    assert request.received_at == request.verified_at == NOW
    assert request.due_at == datetime(2026, 4, 10, 12, 0, tzinfo=UTC)
    assert request.approvals_needed == 1
    assert list(request.events.order_by("id").values_list("step", "at", "until")) == [
        ("received", NOW, request.due_at),
        ("verified", NOW, None),
    ]
    assert links.find(token=token, now=NOW) == request
    entry = AuditEntry.objects.get(verb="requests.received")
    assert entry.subject_id == user.subject_id
    assert entry.facts == {
        "kind": "deletion",
        "channel": "privacy centre",
        "due_at": request.due_at.isoformat(),
        "policy": wecustomers.digest,
    }


def test_open_deletion_answers_by_mail_with_link_deadline_and_copies_notice(
    wecustomers: PolicyVersion,
) -> None:
    user = member()
    request, token = asked_with_link(user)
    message = Message.objects.get(template="deletion_received")
    assert message.category == "answer"
    text = mail.text_of(message)
    assert text.startswith(f"We got your request to delete everything ({request.name})\n")
    assert links.address(token) in text
    assert "by 10 April 2026" in text
    assert wording.copies_notice() in text
    letter = Letter.objects.get()
    assert (letter.message_id, letter.has_copies_notice) == (message.pk, True)


def test_token_is_stored_as_digest_only(wecustomers: PolicyVersion) -> None:
    _request, token = asked_with_link(member())
    assert len(token) == 43
    assert list(StatusLink.objects.values_list("token_hash", flat=True)) == [links.digest(token)]


def test_asking_twice_shows_the_open_request(wecustomers: PolicyVersion) -> None:
    user = member()
    first, _token = asked_with_link(user)
    assert asked_with_link(user, now=NOW + timedelta(days=1)) == (first, "")
    assert Request.objects.count() == 1
    assert Message.objects.filter(template="deletion_received").count() == 1


def test_clock_starts_when_the_request_arrived(wecustomers: PolicyVersion) -> None:
    user = member()
    request, _token = intake.open_deletion(
        subject=user.subject,
        actor=person(user.subject_id),
        now=NOW,
        received_at=NOW - timedelta(days=3),
    )
    # Seven in the morning in New York, before and after the change to summer time.
    assert request.due_at == datetime(2026, 4, 7, 11, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("deadline", "arrival", "due"),
    [
        # 31 January has no counterpart in February: its last moment, on the operator's clock.
        (
            "1 month",
            datetime(2026, 1, 31, 15, 0, tzinfo=UTC),
            datetime(2026, 3, 1, 4, 59, 59, 999999, tzinfo=UTC),
        ),
        # Summer time begins in between: noon stays noon in New York.
        (
            "1 month",
            datetime(2026, 2, 20, 17, 0, tzinfo=UTC),
            datetime(2026, 3, 20, 16, 0, tzinfo=UTC),
        ),
        # Friday evening in New York is Saturday in UTC; the first working day is Monday the 9th,
        # and Thursday the 12th is a holiday here.
        (
            "5 business days",
            datetime(2026, 3, 7, 2, 0, tzinfo=UTC),
            datetime(2026, 3, 17, 3, 59, 59, 999999, tzinfo=UTC),
        ),
    ],
)
def test_deadline_follows_calendar_zone_and_holidays(
    db: None, deadline: str, arrival: datetime, due: datetime
) -> None:
    source = edited(
        "policies/wecustomers.toml",
        (
            'time_zone = "America/New_York"',
            'time_zone = "America/New_York"\nholidays = [2026-03-12]',
        ),
        ('kind = "deletion"\ndeadline = "1 month"', f'kind = "deletion"\ndeadline = "{deadline}"'),
    )
    publish_bytes(relabelled(source, "calendar"))
    assert asked(member(now=arrival - timedelta(days=9)), now=arrival).due_at == due


def test_policy_without_a_rule_gets_the_laws_month(db: None) -> None:
    text = edited("policies/wecustomers.toml").decode()
    start = text.index('[[requests]]\nkind = "deletion"')
    end = text.index("[[requests]]", start + 5)
    publish_bytes(relabelled((text[:start] + text[end:]).encode(), "silent"))
    request = asked(member())
    assert request.due_at == datetime(2026, 4, 10, 12, 0, tzinfo=UTC)
    assert request.approvals_needed == 1


def test_policy_without_approvals_decides_at_once(db: None) -> None:
    source = edited(
        "policies/wecustomers.toml",
        (
            'kind = "deletion"\ndeadline = "1 month"\nextension = "2 months"\napprovals = 1',
            'kind = "deletion"\ndeadline = "1 month"\napprovals = 0\nundo = "3 days"',
        ),
    )
    publish_bytes(relabelled(source, "nobody"))
    request = asked(member())
    assert (request.state, request.undo_until) == ("approved", NOW + timedelta(days=3))
    assert request.erasure is not None
    assert request.erasure.due_at == request.undo_until
    text = mail.text_of(Message.objects.get(template="deletion_received"))
    assert "nobody else has to agree" in text
    assert "a person reads it" not in text


def test_nobody_left_to_ask_once_erased(wecustomers: PolicyVersion) -> None:
    user, reviewer = member(), staff_member()
    erased(user, reviewer)
    with pytest.raises(intake.NoSuchPerson):
        asked(user, now=NOW + timedelta(days=1))


def test_words_shown_stand_in_the_ledger(wecustomers: PolicyVersion) -> None:
    user = member()
    intake.open_deletion(
        subject=user.subject,
        actor=person(user.subject_id),
        now=NOW,
        shown=Shown(text="Delete?", surface="delete"),
    )
    event = Event.objects.get(subject=user.subject, key="deletion-request")
    assert (event.decision, event.fields, event.words.text) == ("submitted", [], "Delete?")


def test_steps_are_never_rewritten(wecustomers: PolicyVersion) -> None:
    asked(member())
    with pytest.raises(ProgrammingError, match="Cannot update rows"):
        RequestEvent.objects.update(step="denied")


def test_link_leads_nowhere_once_expired(wecustomers: PolicyVersion, client: Client) -> None:
    _request, token = asked_with_link(member())
    assert links.find(token=token, now=NOW + links.LIFE) is None
    assert links.find(token=token[:-1] + ("A" if token[-1] != "A" else "B"), now=NOW) is None
    assert client.get(reverse("requests:status", args=[token])).status_code == 404
