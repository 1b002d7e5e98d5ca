"""Each control holds on a fresh site and reports the promise broken on purpose."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pgtrigger
import pytest
from django.db import connection

from accounts.models import User
from audit.control import Finding, controls, evaluate
from audit.models import AuditEntry, Evidence
from policy import current
from policy.controls import check_controller, check_purposes, check_versions
from policy.models import PolicyVersion
from tests.factories.accounts import member
from tests.factories.policy import PUBLISHED_AT, edited, file_bytes, publish_bytes, relabelled

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def tampered(statement: str) -> None:
    """What somebody with the owner's rights could do to the tables."""
    with (
        pgtrigger.ignore("policy.PolicyVersion:append_only", "audit.AuditEntry:append_only"),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    current.forget()


@pytest.fixture
def two_versions(wecustomers: PolicyVersion) -> list[PolicyVersion]:
    second = publish_bytes(
        relabelled(file_bytes() + b"# more\n", "2"), now=PUBLISHED_AT + timedelta(days=1)
    )
    return [wecustomers, second]


def test_versions_holds(two_versions: list[PolicyVersion]) -> None:
    assert check_versions(NOW) == Finding.of(checked=2, violations=())


def test_versions_reports_an_altered_text(two_versions: list[PolicyVersion]) -> None:
    tampered("UPDATE policy_policyversion SET source = source || ' ' WHERE number = 1")
    assert check_versions(NOW).violations == ("1",)


def test_versions_reports_a_text_altered_with_its_digest(
    two_versions: list[PolicyVersion],
) -> None:
    tampered(
        "UPDATE policy_policyversion SET source = source || ' ', digest ="
        " encode(sha256(convert_to(source || ' ', 'UTF8')), 'hex') WHERE number = 1"
    )
    assert check_versions(NOW).violations == ("1",)


def test_versions_reports_a_removed_version(two_versions: list[PolicyVersion]) -> None:
    tampered("DELETE FROM policy_policyversion WHERE number = 2")
    assert check_versions(NOW).violations == ("2",)


def test_versions_reports_one_nobody_published(two_versions: list[PolicyVersion]) -> None:
    tampered("DELETE FROM audit_unsealed")
    tampered("DELETE FROM audit_auditentry WHERE facts->>'number' = '2'")
    assert check_versions(NOW).violations == ("2",)


def test_versions_reports_a_file_that_is_served_altered(
    two_versions: list[PolicyVersion], settings: Any
) -> None:
    settings.ROOT_URLCONF = "tests.policy.faulty_urls"
    assert check_versions(NOW).violations == ("1", "2")


def test_controller_holds(wecustomers: PolicyVersion) -> None:
    finding = check_controller(NOW)
    assert (finding.checked, finding.violations) == (7, ())


def test_controller_reports_a_page_of_other_values(wecustomers: PolicyVersion) -> None:
    """The process remembers another file than the one in force."""
    other = edited("policies/wecustomers.toml", ('email = "admin@wecustomers.com"',
                                                 'email = "else@example.com"'))  # fmt: skip
    stale = PolicyVersion.objects.get()
    stale.source, stale.digest = other.decode(), "1" * 64
    current._versions._known = ((stale,), 0.0)
    assert check_controller(NOW).violations == ("controller.email", "foot: controller.email")


def test_controller_reports_a_page_that_is_not_served(
    wecustomers: PolicyVersion, settings: Any
) -> None:
    settings.ROOT_URLCONF = "tests.policy.faulty_urls"
    assert check_controller(NOW).violations == (
        "controller.name",
        "controller.email",
        "controller.address[1]",
        "controller.answers",
        "controller.role",
    )


def test_purposes_holds_with_people(wecustomers: PolicyVersion) -> None:
    member()
    finding = check_purposes(NOW)
    assert finding.violations == ()
    assert int(finding.figures["filled_columns"]) > 0


def test_purposes_reports_a_filled_column_that_serves_none(db: None) -> None:
    """Last names are collected without any purpose of the file; first names are not."""
    field = b"accounts.account.last_name"
    text = re.sub(rb'"accounts.account.last_name",?', b"", file_bytes())
    assert field not in text
    publish_bytes(text)
    assert check_purposes(NOW).violations == ()
    member()
    assert check_purposes(NOW).violations == ("column: accounts.account.last_name",)


def _without_last_names() -> bytes:
    return re.sub(rb'"accounts.account.last_name",?', b"", file_bytes())


def test_purposes_stay_those_of_the_day_a_row_was_made(wecustomers: PolicyVersion) -> None:
    """What was collected under a purpose stays under it; what is collected later is not."""
    later = PUBLISHED_AT + timedelta(days=60)
    dropped = publish_bytes(relabelled(_without_last_names(), "2"), now=later)
    began = dropped.effective_at
    before = member(now=began - timedelta(days=1))
    assert check_purposes(NOW).violations == ()
    after = member(now=began + timedelta(days=1), last_name="", fields=frozenset())
    assert check_purposes(NOW).violations == ()
    User.objects.filter(pk=after.pk).update(last_name="Later")
    assert check_purposes(NOW).violations == ("column: accounts.account.last_name",)
    User.objects.filter(pk=after.pk).update(last_name="")
    assert check_purposes(NOW).violations == ()
    User.objects.filter(pk=before.pk).update(date_joined=began)
    assert check_purposes(NOW).violations == ("column: accounts.account.last_name",)


def test_purposes_named_since_a_row_was_made_count(db: None) -> None:
    publish_bytes(_without_last_names())
    member()
    assert check_purposes(NOW).violations == ("column: accounts.account.last_name",)
    publish_bytes(relabelled(file_bytes(), "2"), now=PUBLISHED_AT + timedelta(days=1))
    assert check_purposes(NOW).violations == ()


def test_purposes_reports_one_the_page_does_not_show(wecustomers: PolicyVersion) -> None:
    other = edited("policies/wecustomers.toml", ('title = "Inviting friends"', 'title = "Friends"'))
    stale = PolicyVersion.objects.get()
    stale.source, stale.digest = other.decode(), "2" * 64
    current._versions._known = ((stale,), 0.0)
    assert check_purposes(NOW).violations == ("page: invitations",)


@pytest.mark.parametrize("key", ["policy.versions", "policy.controller", "policy.purposes"])
def test_evaluating_leaves_nothing_behind_but_evidence(
    wecustomers: PolicyVersion, key: str
) -> None:
    before = AuditEntry.objects.count()
    evidence = evaluate(control=controls()[key], now=NOW, policy_digest=wecustomers.digest)
    assert evidence.outcome == Evidence.Outcome.KEPT
    assert AuditEntry.objects.count() == before


def test_without_a_policy_the_checks_fail_instead_of_passing(db: None) -> None:
    for key in ("policy.controller", "policy.purposes"):
        evidence = evaluate(control=controls()[key], now=NOW)
        assert evidence.outcome == Evidence.Outcome.FAILED


@pytest.mark.parametrize("name", ["clickandchat", "weapp", "weinterrupt", "wespro"])
def test_every_committed_file_names_a_purpose_for_what_members_fill_in(
    policy_of: Any, name: str
) -> None:
    policy_of(name)
    member()
    assert check_purposes(NOW).violations == ()
    assert check_controller(NOW).violations == ()
