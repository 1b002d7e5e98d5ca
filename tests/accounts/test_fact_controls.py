"""Facts that came in against policy, person or law are reported.

Controls: accounts.fact-sources, accounts.fact-permission, accounts.outside-sources.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client

from accounts import facts
from accounts.controls import fact_probe
from accounts.controls.facts import fact_permission, fact_sources, outside_sources
from accounts.models import Fact
from audit.control import controls, evaluate
from audit.log import SYSTEM, record
from audit.models import Evidence
from consent.models import Event, Message
from datamap import registry
from policy.models import PolicyVersion
from tests.accounts.dump import dump
from tests.factories.accounts import member
from tests.factories.facts import delivered, lets_others, told
from tests.factories.policy import edited, publish_bytes, relabelled

TOLD = datetime(2026, 3, 6, 12, tzinfo=UTC)
DAY = timedelta(days=1)
LATER = TOLD + 40 * DAY
CHARGE_BACK = "The card company, in case of a charge-back"
KEYS = ("accounts.fact-sources", "accounts.fact-permission", "accounts.outside-sources")


@pytest.fixture
def owner(wecustomers: PolicyVersion) -> UUID:
    """The subject of somebody about whom one fact each was told and delivered, and mail went."""
    subject_id = member().subject_id
    told(member().subject_id, subject_id, now=TOLD)
    delivered(subject_id, now=TOLD)
    reached(TOLD)
    return subject_id


def reached(at: datetime) -> None:
    """Every letter was taken by its recipient's server."""
    waiting = Message.objects.filter(template="account_facts_told")
    waiting.update(state="sent", sealed=None, sent_at=at, ended_at=at)


def fact(origin: str) -> Fact:
    return Fact.objects.get(origin=origin)


@pytest.mark.parametrize("key", KEYS)
def test_a_site_that_keeps_its_promise_is_said_to(owner: UUID, key: str) -> None:
    before = dump()
    evidence = evaluate(control=controls()[key], now=LATER)
    assert (evidence.outcome, evidence.violation_ids) == (Evidence.Outcome.KEPT, [])
    assert evidence.checked >= 2
    after = dump()
    assert {table for table in after if after[table] != before[table]} == {"audit_evidence"}


def _unknown_event(row: Fact) -> None:
    Fact.objects.filter(pk=row.pk).update(cause=uuid4())


def _event_after(row: Fact) -> None:
    Fact.objects.filter(pk=row.pk).update(received_at=TOLD - DAY)


def _event_of_another_sort(row: Fact) -> None:
    choice = Event.objects.filter(subject_id=row.subject_id, kind="purpose").first()
    entry = record(actor=SYSTEM, verb="accounts.other", now=TOLD, subject_id=row.subject_id)
    cause = choice.pk if choice and row.origin == "member" else entry.pk
    Fact.objects.filter(pk=row.pk).update(cause=cause)


def _blank_source(row: Fact) -> None:
    Fact.objects.filter(pk=row.pk).update(source=" ")


@pytest.mark.parametrize("origin", ["member", "outside"])
@pytest.mark.parametrize(
    "breach", [_unknown_event, _event_after, _event_of_another_sort, _blank_source]
)
def test_a_fact_without_source_or_prior_event_is_a_violation(
    owner: UUID, origin: str, breach: Callable[[Fact], None]
) -> None:
    row = fact(origin)
    breach(row)
    violations = fact_sources(TOLD + DAY).violations
    assert violations == (f"no cause:{row.pk}",)


def test_an_outside_fact_with_another_source_than_delivered_is_a_violation(owner: UUID) -> None:
    row = fact("outside")
    Fact.objects.filter(pk=row.pk).update(source="Blogs")
    assert fact_sources(TOLD + DAY).violations == (f"no cause:{row.pk}",)


def test_somebody_who_told_about_themselves_is_no_source(owner: UUID) -> None:
    row = fact("member")
    own = Event.objects.get(pk=row.cause)
    Fact.objects.filter(pk=row.pk).update(subject_id=own.subject_id, contributor=None)
    assert fact_sources(TOLD + DAY).violations == (f"no cause:{row.pk}",)


def test_a_contributor_who_was_erased_is_no_violation(owner: UUID) -> None:
    Fact.objects.filter(origin="member").update(contributor=None)
    assert fact_sources(LATER).violations == ()


def _never(row: Fact) -> None:
    Fact.objects.filter(pk=row.pk).update(announced_at=None, announcement=None)


def letter_about(row: Fact) -> Any:
    assert row.announcement is not None
    return Message.objects.filter(pk=row.announcement)


def _too_late(row: Fact) -> None:
    letter_about(row).update(sent_at=TOLD + 32 * DAY)


def _turned_away(row: Fact) -> None:
    letter_about(row).update(state="failed")


def _to_somebody_else(row: Fact) -> None:
    letter_about(row).update(subject_id=member().subject_id)


def _about_something_else(row: Fact) -> None:
    letter_about(row).update(template="account_minors_advice")


@pytest.mark.parametrize(
    "breach", [_never, _too_late, _turned_away, _to_somebody_else, _about_something_else]
)
def test_a_fact_nobody_was_told_of_within_a_month_is_a_violation(
    owner: UUID, breach: Callable[[Fact], None]
) -> None:
    row = fact("outside")
    breach(row)
    assert f"not told:{row.pk}" in fact_sources(LATER).violations
    assert fact_sources(TOLD + 20 * DAY).violations == ()


def test_facts_older_than_their_proofs_are_not_judged(owner: UUID) -> None:
    Fact.objects.update(cause=uuid4(), announced_at=None, announcement=None)
    finding = fact_sources(TOLD + 366 * 7 * DAY)
    assert (finding.checked, finding.violations) == (2, ())


def test_a_fact_that_the_package_would_leave_out_is_a_violation(
    owner: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding = registry.holding("accounts.fact")
    hidden = tuple(replace(p, secret=True) if p.name == "text" else p for p in holding.personal)
    monkeypatch.setitem(registry._holdings, holding.key, replace(holding, personal=hidden))
    found = {f"not in the package:{pk}" for pk in Fact.objects.values_list("pk", flat=True)}
    assert set(fact_sources(TOLD + DAY).violations) == found


def test_a_fact_that_the_package_would_give_to_somebody_else_is_a_violation(
    owner: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding = registry.holding("accounts.fact")
    astray = replace(holding, subject="contributor")
    monkeypatch.setitem(registry._holdings, holding.key, astray)
    found = {f"not in the package:{pk}" for pk in Fact.objects.values_list("pk", flat=True)}
    assert set(fact_sources(TOLD + DAY).violations) == found


def test_a_fact_told_without_a_yes_is_a_violation(
    wecustomers: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [member().subject_id for _ in range(3)]
    right = told(people[2], people[0], now=TOLD)
    lets_others(people[0], now=TOLD + DAY, yes=False)
    monkeypatch.setattr(facts, "wants", lambda **_given: True)
    late = facts.deliver(
        subject_id=people[0],
        text="x",
        source="Newspapers",
        key_id=uuid4(),
        now=TOLD + 2 * DAY,
    )
    never = facts.deliver(
        subject_id=people[1], text="x", source="Newspapers", key_id=uuid4(), now=TOLD
    )
    finding = fact_permission(LATER)
    assert set(finding.violations) == {f"no yes:{late.pk}", f"no yes:{never.pk}"}
    assert not Fact.objects.filter(pk=right.pk).exists()  # it waited, and went with the no


def test_a_later_yes_heals_nothing(owner: UUID) -> None:
    row = fact("member")
    early = TOLD - 2 * DAY
    Fact.objects.filter(pk=row.pk).update(received_at=early)
    assert fact_permission(LATER).violations == (f"no yes:{row.pk}",)


def test_a_members_fact_under_a_policy_without_them_is_a_violation(
    clickandchat: PolicyVersion,
) -> None:
    row = Fact.objects.create(
        subject_id=member().subject_id,
        origin="member",
        source="They told me",
        text="x",
        state="waiting",
        cause=uuid4(),
        received_at=TOLD,
    )
    for check in (fact_permission, outside_sources):
        assert check(LATER).violations == (f"not in the policy:{row.pk}",)


def test_an_outside_source_the_policy_of_the_day_does_not_name_is_a_violation(
    clickandchat: PolicyVersion,
) -> None:
    delivered(member().subject_id, now=TOLD, source=CHARGE_BACK)
    strange = delivered(member().subject_id, now=TOLD, source=CHARGE_BACK, text="y")
    assert outside_sources(LATER).violations == ()
    Fact.objects.filter(pk=strange.pk).update(source="Public records")
    assert outside_sources(LATER).violations == (f"not in the policy:{strange.pk}",)


def test_a_source_named_only_later_is_a_violation(clickandchat: PolicyVersion) -> None:
    row = delivered(member().subject_id, now=TOLD, source=CHARGE_BACK)
    Fact.objects.filter(pk=row.pk).update(source="Credit bureaus")
    more = edited(
        "policies/clickandchat.toml",
        (f'outside_sources = ["{CHARGE_BACK}"]', 'outside_sources = ["Credit bureaus"]'),
    )
    publish_bytes(relabelled(more, "more"), now=TOLD + DAY)
    assert outside_sources(LATER + 60 * DAY).violations == (f"not in the policy:{row.pk}",)


def test_a_fact_from_before_any_policy_is_a_violation(owner: UUID) -> None:
    row = fact("outside")
    Fact.objects.filter(pk=row.pk).update(received_at=datetime(2016, 1, 1, tzinfo=UTC))
    for check in (fact_permission, outside_sources):
        assert check(LATER).violations == (f"no policy:{row.pk}",)


def test_an_api_that_takes_any_source_is_a_violation(
    clickandchat: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Anything(list[str]):
        def __contains__(self, item: object) -> bool:
            return True

    document = clickandchat.document
    features = document.features.model_copy(update={"outside_sources": Anything()})
    lax = SimpleNamespace(document=document.model_copy(update={"features": features}))
    monkeypatch.setattr("accounts.facts.current", SimpleNamespace(fresh=lambda now: lax))
    finding = evaluate(control=controls()["accounts.outside-sources"], now=LATER)
    assert (finding.outcome, finding.violation_ids) == ("broken", ["the API: took it"])
    assert not Fact.objects.exists()


def test_an_api_that_refuses_for_another_reason_is_no_proof(
    clickandchat: PolicyVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fact_probe, "_program", lambda key: without_key())
    assert outside_sources(LATER).violations == ("the API: answered 401",)


def without_key() -> Any:
    return Client()


def test_checks_ask_as_much_for_many_facts_as_for_one(
    owner: UUID, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(9):
        fact_sources(LATER)
        fact_permission(LATER)
    for number in range(3):
        delivered(owner, now=TOLD + number * DAY, text=f"Again {number}.")
    with django_assert_num_queries(9):
        fact_sources(LATER)
        fact_permission(LATER)
