"""The ledger: events that stay, and where choices stand."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.utils import ProgrammingError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.log import person
from audit.models import AuditEntry
from consent import ledger, signals
from consent.models import Choice, Event, Words
from consent.options import needs_no_choice, options
from datamap.models import Subject
from policy import current
from policy.models import PolicyVersion
from tests.consent.conftest import policy_source
from tests.factories.consent import (
    CATEGORY,
    NOW,
    PURPOSE,
    TRANSFER,
    decided,
    make_subject,
    shown,
)
from tests.factories.policy import publish_bytes, relabelled

LATER = NOW + timedelta(hours=1)


def test_decide_stores_event_choice_words_and_audit_entry(policy: PolicyVersion) -> None:
    subject = make_subject()
    event = decided(subject, "given", text="May we write to you?")
    assert (event.kind, event.key, event.decision, event.at) == ("mail", CATEGORY, "given", NOW)
    assert (event.policy_digest, event.surface, event.locale) == (policy.digest, "signup", "en")
    assert Words.objects.get(pk=event.words_id).text == "May we write to you?"
    choice = Choice.objects.get(subject=subject)
    assert (choice.decision, choice.event_id, choice.since) == ("given", event.pk, NOW)
    entry = AuditEntry.objects.get(verb="consent.given")
    assert (entry.subject_id, entry.object_id) == (subject.pk, str(event.pk))
    assert entry.facts == {"kind": "mail", "key": CATEGORY, "policy": policy.digest}


def test_decide_the_same_again_returns_the_event_that_stands(policy: PolicyVersion) -> None:
    subject = make_subject()
    first = decided(subject, "given")
    assert decided(subject, "given", now=LATER).pk == first.pk
    assert Event.objects.count() == 1


def test_decide_the_same_over_other_words_is_a_new_event(policy: PolicyVersion) -> None:
    subject = make_subject()
    decided(subject, "given", text="May we?")
    decided(subject, "given", text="May we, please?", now=LATER)
    assert [e.words.text for e in ledger.history(subject.pk)] == ["May we, please?", "May we?"]


def test_decide_the_same_under_another_policy_is_a_new_event(policy: PolicyVersion) -> None:
    subject = make_subject()
    decided(subject, "given")
    second = publish_bytes(relabelled(policy_source(), "2"), now=NOW + timedelta(minutes=1))
    event = decided(subject, "given", now=second.effective_at)
    assert event.policy_digest == second.digest
    assert Event.objects.count() == 2


def test_decide_takes_words_shown_to_many_once(policy: PolicyVersion) -> None:
    for _ in range(3):
        decided(make_subject(), "given")
    assert Words.objects.count() == 1


def test_decide_never_runs_backwards(policy: PolicyVersion) -> None:
    subject = make_subject()
    first = decided(subject, "given", now=LATER)
    second = decided(subject, "withdrawn", now=NOW)
    assert second.at == first.at + timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("mail", "no-such-mail"),
        ("purpose", "no-such-purpose"),
        ("purpose", "account"),  # a contract's purpose is nobody's choice
        ("transfer", "mars"),
    ],
)
def test_decide_refuses_what_the_policy_does_not_offer(
    policy: PolicyVersion, kind: str, key: str
) -> None:
    with pytest.raises(ledger.UnknownChoice) as raised:
        decided(make_subject(), "given", kind=kind, key=key)
    assert (raised.value.kind, raised.value.key) == (kind, key)
    assert Event.objects.count() == 0


@pytest.mark.parametrize(
    ("kind", "decision"),
    [
        ("mail", "acknowledged"),
        ("purpose", "submitted"),
        ("policy", "given"),
        ("notice", "given"),
        ("collection", "submitted"),  # only `submit` writes it, for it knows the fields
        ("weather", "given"),
        ("mail", "perhaps"),
    ],
)
def test_decide_refuses_a_decision_that_does_not_fit(
    policy: PolicyVersion, kind: str, decision: str
) -> None:
    with pytest.raises(ledger.WrongDecision) as raised:
        decided(make_subject(), decision, kind=kind)
    assert (raised.value.kind, raised.value.decision) == (kind, decision)
    assert Event.objects.count() == 0


def test_database_refuses_an_acknowledged_consent(policy: PolicyVersion) -> None:
    event = decided(make_subject(), "given")
    event.pk, event.decision = uuid.uuid4(), "acknowledged"
    with pytest.raises(IntegrityError), transaction.atomic():
        event.save(force_insert=True)


@pytest.mark.parametrize("decision", ["withdrawn", "expired", "renewed"])
def test_decide_takes_nothing_back_that_was_never_given(
    policy: PolicyVersion, decision: str
) -> None:
    subject = make_subject()
    with pytest.raises(ledger.NothingToTakeBack) as raised:
        decided(subject, decision)
    assert raised.value.standing is None
    decided(subject, "refused")
    with pytest.raises(ledger.NothingToTakeBack) as raised:
        decided(subject, decision)
    assert raised.value.standing == "refused"


@pytest.mark.parametrize("why", ["locked", "restricted"])
def test_decide_adds_nothing_for_a_closed_subject_but_takes_back(
    policy: PolicyVersion, why: str
) -> None:
    subject = make_subject()
    decided(subject, "given")
    Subject.objects.filter(pk=subject.pk).update(**{why: True})
    with pytest.raises(ledger.SubjectClosed) as raised:
        decided(subject, "given", key="digest")
    assert (raised.value.subject_id, raised.value.why) == (subject.pk, why)
    assert decided(subject, "withdrawn", now=LATER).decision == "withdrawn"


def test_decide_writes_nothing_about_the_erased(policy: PolicyVersion) -> None:
    subject = make_subject(locked=True, erased_at=NOW)
    for decision in ("given", "refused"):
        with pytest.raises(ledger.SubjectClosed) as raised:
            decided(subject, decision)
        assert raised.value.why == "erased"


def test_decide_takes_back_what_a_newer_policy_no_longer_offers(policy: PolicyVersion) -> None:
    subject = make_subject()
    decided(subject, "given", key="digest")
    without = policy_source().split(b'\n[[mail_categories]]\nkey = "digest"')[0]
    publish_bytes(relabelled(without, "2"), now=NOW)
    with pytest.raises(ledger.UnknownChoice):
        decided(subject, "given", key="digest", text="Again?", now=LATER)
    assert decided(subject, "withdrawn", key="digest", now=LATER).decision == "withdrawn"


def test_decide_raises_without_a_policy(db: None) -> None:
    with pytest.raises(current.NoPolicy):
        decided(make_subject(), "given")


def test_signals_are_sent_inside_the_transaction(policy: PolicyVersion) -> None:
    subject, heard = make_subject(), []

    def listen(signal: object, **told: object) -> None:
        heard.append((told["decision"], Choice.objects.get(subject=subject).decision))

    signals.withdrawn.connect(listen)
    try:
        decided(subject, "given")
        decided(subject, "withdrawn", now=LATER)
        decided(subject, "refused", now=LATER)
    finally:
        signals.withdrawn.disconnect(listen)
    assert heard == [("withdrawn", "withdrawn")]


def test_a_receiver_that_fails_undoes_the_decision(policy: PolicyVersion) -> None:
    subject = make_subject()

    def fail(signal: object, **told: object) -> None:
        raise RuntimeError("no")

    signals.changed.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            decided(subject, "given")
    finally:
        signals.changed.disconnect(fail)
    assert (Event.objects.count(), Choice.objects.count()) == (0, 0)


def _say(subject: Subject, *, yes: bool) -> Event:
    say = ledger.say_yes if yes else ledger.say_no
    return say(
        subject_id=subject.pk,
        kind="mail",
        key=CATEGORY,
        shown=shown(),
        actor=person(subject.pk),
        now=NOW,
    )


def test_say_no_refuses_or_withdraws_and_stays_with_the_first_no(policy: PolicyVersion) -> None:
    subject = make_subject()
    refused = _say(subject, yes=False)
    assert (refused.decision, _say(subject, yes=False).pk) == ("refused", refused.pk)
    assert _say(subject, yes=True).decision == "given"
    withdrawn = _say(subject, yes=False)
    assert (withdrawn.decision, _say(subject, yes=False).pk) == ("withdrawn", withdrawn.pk)
    assert Event.objects.count() == 3


def test_submit_notes_the_fields_of_a_declared_point(policy: PolicyVersion) -> None:
    subject = make_subject()
    event = ledger.submit(
        subject_id=subject.pk,
        point="signup",
        fields={"accounts.account.email", "accounts.account.first_name"},
        shown=shown("We need your name."),
        actor=person(subject.pk),
        now=NOW,
    )
    assert event.fields == ["accounts.account.email", "accounts.account.first_name"]
    assert (event.kind, event.key, event.decision) == ("collection", "signup", "submitted")


def test_submit_refuses_fields_and_points_the_policy_does_not_name(policy: PolicyVersion) -> None:
    subject = make_subject()

    def submit(point: str, fields: set[str]) -> Event:
        return ledger.submit(
            subject_id=subject.pk,
            point=point,
            fields=fields,
            shown=shown(),
            actor=person(subject.pk),
            now=NOW,
        )

    with pytest.raises(ledger.UnknownField) as raised:
        submit("signup", {"accounts.account.email", "accounts.account.phone"})
    assert (raised.value.point, raised.value.fields) == ("signup", ("accounts.account.phone",))
    with pytest.raises(ledger.UnknownChoice):
        submit("back-door", {"accounts.account.email"})
    assert Event.objects.count() == 0


def test_note_shown_is_an_event_and_no_consent(policy: PolicyVersion) -> None:
    subject = make_subject(minor=True)
    event = ledger.note_shown(
        subject_id=subject.pk,
        key="minors-advice",
        shown=shown("Ask a parent."),
        actor=person(subject.pk),
        now=NOW,
    )
    assert (event.kind, event.decision) == ("notice", "shown")
    assert ledger.standing(subject.pk)["notice", "minors-advice"].is_yes is False


def _may(subject: Subject, kind: str, key: str) -> bool:
    return ledger.may(subject_id=subject.pk, kind=kind, key=key, document=current.document(NOW))


@pytest.mark.parametrize(
    ("kind", "key", "without", "of_a_minor"),
    [
        ("mail", "service-news", True, False),  # opt-out basis
        ("mail", "digest", False, False),  # by consent
        ("purpose", "suggestions", True, False),  # on by default
        ("purpose", PURPOSE, False, False),
        ("purpose", "account", True, True),  # a contract
        ("transfer", TRANSFER, False, False),
        ("purpose", "unknown", False, False),
        ("mail", "unknown", False, False),
    ],
)
def test_may_without_a_choice_follows_the_policy(
    policy: PolicyVersion, kind: str, key: str, without: bool, of_a_minor: bool
) -> None:
    assert _may(make_subject(), kind, key) is without
    assert _may(make_subject(minor=True), kind, key) is of_a_minor


@pytest.mark.parametrize(
    ("kind", "key"), [("mail", CATEGORY), ("purpose", PURPOSE), ("transfer", TRANSFER)]
)
def test_may_obeys_the_choice_at_the_next_read(policy: PolicyVersion, kind: str, key: str) -> None:
    subject = make_subject(minor=True, email="ada@example.com")
    for decision, allowed in [("given", True), ("withdrawn", False), ("refused", False)]:
        decided(subject, decision, kind=kind, key=key)
        assert _may(subject, kind, key) is allowed


SURVEYS = b"""
[[mail_categories]]
key = "survey"
title = "Surveys"
text = "A few questions."
basis = "consent"
purpose = "asking"

[[purposes]]
key = "asking"
title = "Asking you"
text = "To ask how you like it here."
legal_basis = "consent"
"""


def test_purpose_carried_out_by_mail_follows_the_mail(db: None) -> None:
    policy = publish_bytes(policy_source() + SURVEYS)
    about = [(o.kind, o.key) for o in options(policy.document) if o.key in ("survey", "asking")]
    assert about == [("mail", "survey")]
    subject = make_subject(email="ada@example.com")
    with pytest.raises(ledger.UnknownChoice):
        decided(subject, "given", kind="purpose", key="asking")
    assert _may(subject, "purpose", "asking") is False
    for decision, allowed in [("given", True), ("withdrawn", False)]:
        decided(subject, decision, key="survey")
        assert _may(subject, "purpose", "asking") is allowed
    assert needs_no_choice(policy.document, kind="purpose", key="asking") is False


@pytest.mark.parametrize("flag", ["locked", "restricted"])
def test_may_nothing_with_a_closed_subject(policy: PolicyVersion, flag: str) -> None:
    subject = make_subject()
    decided(subject, "given")
    Subject.objects.filter(pk=subject.pk).update(**{flag: True})
    assert _may(subject, "mail", CATEGORY) is False
    assert _may(subject, "purpose", "account") is False


def test_query_counts(
    policy: PolicyVersion, django_assert_num_queries: Callable[[int], Any]
) -> None:
    subject = make_subject()
    document = current.document(NOW)
    for rows in (1, 3):
        for key in ("digest", CATEGORY)[: rows - 1]:
            decided(subject, "given", key=key)
        decided(subject, "given" if rows == 1 else "refused", kind="purpose", key=PURPOSE)
        with django_assert_num_queries(1):
            ledger.may(subject_id=subject.pk, kind="mail", key=CATEGORY, document=document)
        with django_assert_num_queries(1):
            assert len(ledger.standing(subject.pk)) == rows
        with django_assert_num_queries(1):
            assert [e.words.text for e in ledger.history(subject.pk)] != []


def test_runtime_role_cannot_change_the_ledger(policy: PolicyVersion, runtime_role: str) -> None:
    decided(make_subject(), "given")
    for statement in (
        "UPDATE consent_event SET decision = 'refused'",
        "DELETE FROM consent_event",
        "TRUNCATE consent_event CASCADE",
        "UPDATE consent_words SET text = 'other'",
        "DELETE FROM consent_words",
    ):
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


STEPS = st.lists(
    st.tuples(
        st.sampled_from([("mail", CATEGORY), ("mail", "digest"), ("purpose", PURPOSE)]),
        st.sampled_from(["given", "refused", "withdrawn", "expired", "renewed"]),
        st.sampled_from(["May we?", "Shall we?"]),
        st.integers(min_value=-60, max_value=600),
    ),
    max_size=12,
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_current_rows_are_the_replay_of_all_events(
    policy: PolicyVersion, steps: list[tuple[tuple[str, str], str, str, int]]
) -> None:
    """Whatever people do, in whatever order clocks run: the last event by time is what stands,
    and a slow model that knows only the rules agrees.
    """
    subject = make_subject()
    model: dict[tuple[str, str], str] = {}
    for (kind, key), decision, text, minutes in steps:
        stood = model.get((kind, key))
        impossible = decision in ("withdrawn", "expired", "renewed") and stood not in (
            "given",
            "renewed",
        )
        try:
            decided(
                subject,
                decision,
                kind=kind,
                key=key,
                text=text,
                now=NOW + timedelta(minutes=minutes),
            )
        except ledger.NothingToTakeBack:
            assert impossible
        else:
            # The very same decision again is taken as a repetition of the one that stands.
            assert not impossible or stood == decision
            model[kind, key] = decision
    replayed: dict[tuple[str, str], Event] = {}
    for event in Event.objects.filter(subject=subject).order_by("at"):
        replayed[event.kind, event.key] = event
    standing = ledger.standing(subject.pk)
    assert {k: e.decision for k, e in replayed.items()} == model
    assert {k: c.decision for k, c in standing.items()} == model
    assert {k: c.event_id for k, c in standing.items()} == {k: e.pk for k, e in replayed.items()}
