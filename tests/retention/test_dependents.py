"""What may follow a row, and what is refused before anything is touched."""

from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command
from django.db.models import Model

from accounts.models import User
from audit.log import SYSTEM
from audit.models import AuditEntry
from datamap import registry
from datamap.holding import Holding
from policy.models import PolicyVersion
from policy.publish import publish
from policy.reading import PolicyError
from retention import rules
from retention.dependents import (
    ERASING,
    Dependent,
    HoldingsInACircle,
    Manners,
    Undeletable,
    dependents,
    erasing_order,
)
from retention.models import Erasure, SweepRun
from tests.factories.policy import edited, relabelled
from tests.factories.retention import NOW


def tables(found: tuple[Dependent, ...]) -> list[str]:
    return [d.model._meta.label for d in found]


def refused(model: type[Model], manners: Manners | None = None) -> str:
    with pytest.raises(Undeletable) as caught:
        dependents(model, manners or Manners())
    return str(caught.value)


def test_cascading_tables_follow() -> None:
    assert tables(dependents(SweepRun)) == ["retention.SweepShift", "retention.SweepStep"]
    assert tables(dependents(EmailAddress)) == ["account.EmailConfirmation"]


def test_references_that_let_go_do_not_take_the_row_along() -> None:
    found = {d.model._meta.label: d.lets_go for d in dependents(Erasure)}
    assert found == {"requests.Request": True, "retention.ErasureStep": False}


def test_table_that_something_protects_is_refused() -> None:
    assert refused(AuditEntry) == (
        "audit.AuditEntry can't be removed: audit.Unsealed.entry protects it and does not go along"
    )


def test_relation_that_due_keeps_empty_is_no_obstacle() -> None:
    assert dependents(AuditEntry, Manners(unreferenced=frozenset({"unsealed"}))) == ()


def test_table_with_a_rule_of_its_own_does_not_follow() -> None:
    manners = Manners(ruled=frozenset({"accounts.email_confirmation"}))
    assert "ends by a rule of its own" in refused(EmailAddress, manners)


def test_erasing_leaves_tables_with_a_holding_to_their_own_step() -> None:
    assert dependents(User, ERASING) == ()


def test_order_puts_every_holding_before_what_it_refers_to() -> None:
    order = [holding.key for holding in erasing_order()]
    assert sorted(order) == [holding.key for holding in registry.holdings()]
    for before, after in (
        ("accounts.email_confirmation", "accounts.email_address"),
        ("accounts.email_address", "accounts.account"),
        ("accounts.account", "datamap.subject"),
        ("requests.event", "requests.request"),
        ("requests.request", "datamap.subject"),
    ):
        assert order.index(before) < order.index(after)


def test_holdings_that_wait_for_each_other_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def holding(key: str, model: str, after: str) -> Holding:
        return Holding(key=key, model=model, title=key, subject="pk", personal=(), after=(after,))

    circle = (
        holding("test.one", "datamap.Subject", "test.two"),
        holding("test.two", "retention.Tick", "test.one"),
    )
    monkeypatch.setattr(registry, "holdings", lambda: circle)
    with pytest.raises(HoldingsInACircle, match=r"test\.one"):
        erasing_order()


SESSION_RULE = 'holding = "accounts.session"\nclock = "expired"\nperiod = "1 day"\n'


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (SESSION_RULE, SESSION_RULE + 'action = "archive"\n', "there is no archive yet"),
        (
            'holding = "audit.access"\nclock = "written"\nperiod = "3 years"',
            'holding = "audit.access"\nclock = "written"\nperiod = "2 weeks"',
            "30 days at least",
        ),
    ],
)
def test_rule_that_cannot_be_carried_out_is_not_published(
    db: None, old: str, new: str, why: str
) -> None:
    source = relabelled(edited("policies/wecustomers.toml", (old, new)), "other")
    with pytest.raises(PolicyError) as caught:
        publish(source=source, filename="other.toml", actor=SYSTEM, now=NOW)
    (problem,) = caught.value.problems
    assert why in problem.message
    line = source.decode().splitlines()[problem.line - 1]
    assert line == new.splitlines()[0]
    assert not PolicyVersion.objects.exists()


def test_command_reports_it_with_the_line(db: None, tmp_path: Path) -> None:
    source = edited(
        "policies/wecustomers.toml", (SESSION_RULE, SESSION_RULE + 'action = "archive"\n')
    )
    path = tmp_path / "site.toml"
    path.write_bytes(source)
    with pytest.raises((CommandError, SystemExit)):
        call_command("publish_policy", str(path), "--yes")
    assert not PolicyVersion.objects.exists()


@pytest.mark.parametrize("name", ["wecustomers", "weapp", "weinterrupt", "wespro", "clickandchat"])
def test_every_rule_of_the_five_policies_can_be_carried_out(name: str) -> None:
    from policy.reading import parse
    from tests.factories.policy import file_bytes

    document = parse(file_bytes(f"policies/{name}.toml"), filename=name)
    assert rules.refusals(document) == {}
