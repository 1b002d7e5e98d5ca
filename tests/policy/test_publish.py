"""Publishing: all or nothing, once, in order, with the notice people were promised."""

from __future__ import annotations

import itertools
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError

from audit.log import SYSTEM
from audit.models import AuditEntry
from policy import current, signals
from policy.models import PolicyVersion
from policy.publish import plan, publish
from policy.reading import PolicyError
from tests.factories.policy import PUBLISHED_AT, edited, file_bytes, publish_bytes, relabelled

LATER = PUBLISHED_AT + timedelta(days=10)
LONGER = ('clock = "expired"\nperiod = "1 day"', 'clock = "expired"\nperiod = "2 days"')
REMARK = ('title = "No protection is perfect"', 'title = "Nothing is perfect"')


def other(*edits: tuple[str, str], label: str = "2") -> bytes:
    """WeCustomers' file under another label, with these pieces replaced."""
    return relabelled(edited("policies/wecustomers.toml", *edits), label)


def test_publish_stores_the_exact_bytes_and_says_so_in_the_log(db: None) -> None:
    source = file_bytes().replace(b"\n", b"\r\n") + "# ünïcode \t ".encode()
    result = publish(source=source, filename="a/b/x.toml", actor=SYSTEM, now=PUBLISHED_AT)
    stored = PolicyVersion.objects.get()
    assert stored.source.encode() == source
    assert stored.digest == stored.actual_digest == result.version.digest
    assert (stored.number, stored.filename, stored.version) == (1, "x.toml", "2015-12-21")
    assert (stored.effective_at, stored.older_data_at) == (PUBLISHED_AT, PUBLISHED_AT)
    entry = AuditEntry.objects.get(verb="policy.published")
    assert entry.object_id == str(stored.pk)
    assert entry.facts == {"digest": stored.digest, "number": 1, "changes": 0, "material": False}


def test_publishing_the_same_file_again_does_nothing(wecustomers: PolicyVersion) -> None:
    result = publish(source=file_bytes(), filename="x.toml", actor=SYSTEM, now=LATER)
    assert (result.created, result.version) == (False, wecustomers)
    assert PolicyVersion.objects.count() == 1
    assert AuditEntry.objects.filter(verb="policy.published").count() == 1


def test_a_malformed_file_publishes_nothing(wecustomers: PolicyVersion) -> None:
    with pytest.raises(PolicyError):
        publish(source=other(("format = 1", "format = 2")), filename="x", actor=SYSTEM, now=LATER)
    assert list(PolicyVersion.objects.all()) == [wecustomers]


def test_a_label_names_one_text_only(wecustomers: PolicyVersion) -> None:
    with pytest.raises(PolicyError) as caught:
        publish(source=edited("policies/wecustomers.toml", REMARK), filename="x.toml",
                actor=SYSTEM, now=LATER)  # fmt: skip
    (problem,) = caught.value.problems
    line = file_bytes().decode().splitlines()[problem.line - 1]
    assert (problem.place, line) == ("release.version", 'version = "2015-12-21"')


def test_a_receiver_that_fails_stops_the_publication(wecustomers: PolicyVersion) -> None:
    def refuse(**kwargs: Any) -> None:
        raise RuntimeError("no")

    signals.published.connect(refuse)
    try:
        with pytest.raises(RuntimeError):
            publish_bytes(other(REMARK), now=LATER)
    finally:
        signals.published.disconnect(refuse)
    assert PolicyVersion.objects.count() == 1
    assert current.in_force() == wecustomers


def test_minor_changes_count_at_once(wecustomers: PolicyVersion) -> None:
    version = publish_bytes(other(REMARK), now=LATER)
    assert (version.material, version.effective_at) == (False, LATER)
    assert current.in_force(LATER) == version


def test_material_changes_wait_for_the_notice_in_force(wecustomers: PolicyVersion) -> None:
    """The new file says "at once"; people were promised thirty days."""
    version = publish_bytes(
        other(LONGER, ('applies = "after the period"', 'applies = "at once"')), now=LATER
    )
    end = LATER + timedelta(days=30)
    assert (version.material, version.effective_at, version.older_data_at) == (True, end, end)
    assert current.in_force(end - timedelta(microseconds=1)) == wecustomers
    assert current.in_force(end) == version


def test_older_data_may_wait_while_new_data_does_not(db: None) -> None:
    """CC-31."""
    rule = 'applies = "new data at once, older after the period"'
    publish_bytes(other(('applies = "after the period"', rule), label="1"))
    version = publish_bytes(other(('applies = "after the period"', rule), LONGER), now=LATER)
    assert version.effective_at == LATER
    assert version.older_data_at == LATER + timedelta(days=30)


def test_a_correction_while_a_change_waits_starts_the_notice_anew(
    wecustomers: PolicyVersion,
) -> None:
    """Compared with what people live under, not with what waits: no way around the notice."""
    waiting = publish_bytes(other(LONGER), now=LATER)
    corrected = publish_bytes(other(LONGER, REMARK, label="3"), now=LATER + timedelta(days=5))
    assert corrected.compared_with == wecustomers
    assert corrected.effective_at == LATER + timedelta(days=35)
    assert current.in_force(waiting.effective_at) == waiting
    assert current.in_force(corrected.effective_at) == corrected


def test_going_back_to_an_earlier_file_replaces_one_that_waits(
    wecustomers: PolicyVersion,
) -> None:
    waiting = publish_bytes(other(LONGER), now=LATER)
    back = publish_bytes(file_bytes(), now=LATER + timedelta(days=1))
    assert (back.number, back.digest, back.changes) == (3, wecustomers.digest, [])
    assert current.in_force(waiting.effective_at + timedelta(days=1)) == back


def test_plan_changes_nothing(wecustomers: PolicyVersion) -> None:
    planned = plan(source=other(LONGER), filename="x.toml", now=LATER)
    assert planned.material
    assert [c.sentence for c in planned.changes] == [
        "How long “Where you are signed in, after it ended”: the period is now 2 days, was 1 day."
    ]
    assert PolicyVersion.objects.count() == 1


@pytest.mark.parametrize("statement", ["UPDATE policy_policyversion SET material = true",
                                       "DELETE FROM policy_policyversion"])  # fmt: skip
def test_versions_cannot_be_changed(wecustomers: PolicyVersion, statement: str) -> None:
    with (
        pytest.raises(ProgrammingError, match="Cannot update or delete"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE policy_policyversion SET material = true",
        "DELETE FROM policy_policyversion",
        "TRUNCATE policy_policyversion CASCADE",
    ],
)
def test_the_runtime_role_has_no_right_to_change_versions(
    wecustomers: PolicyVersion, runtime_role: str, statement: str
) -> None:
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_the_runtime_role_can_publish(db: None, runtime_role: str) -> None:
    assert publish_bytes(file_bytes()).number == 1


@pytest.mark.django_db(transaction=True)
def test_concurrent_publishing_makes_one_version_each() -> None:
    """Six at once: four the same file, two others. Numbers without gaps, nothing twice."""
    sources = [file_bytes()] * 4 + [other(REMARK, label="2"), other(LONGER, label="3")]
    start, errors = threading.Barrier(len(sources)), []

    def work(source: bytes) -> None:
        try:
            start.wait()
            publish(source=source, filename="x.toml", actor=SYSTEM, now=datetime.now(UTC))
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(source,)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    versions = list(PolicyVersion.objects.order_by("number"))
    assert [v.number for v in versions] == list(range(1, len(versions) + 1))
    assert {v.version for v in versions} == {"2015-12-21", "2", "3"}
    # The same file may come back only after another one was between.
    assert all(a.digest != b.digest for a, b in itertools.pairwise(versions))
    assert AuditEntry.objects.filter(verb="policy.published").count() == len(versions)
