"""What stands between people goes with whoever goes first, and is in the copies of both."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from accounts import connections, facts
from accounts.models import Block, Connection, ConnectionRequest, Fact
from audit.log import SYSTEM, person
from policy.models import PolicyVersion
from requests.package import build, vault
from retention.erase import start
from retention.erase_worker import work
from retention.sweep import sweep
from tests.accounts.dump import dump
from tests.factories.accounts import member
from tests.factories.connections import asks, connected
from tests.factories.facts import delivered, told

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
OTHERS = "[another person]"


@pytest.fixture
def two(wecustomers: PolicyVersion) -> tuple[UUID, UUID]:
    """Two people with everything there is between them and a third."""
    a, b, c, d = (member().subject_id for _ in range(4))
    connected(a, b, now=NOW)
    asks(a, c, now=NOW)
    asks(d, a, now=NOW)
    for blocker, blocked in ((b, d), (d, b)):
        Block.objects.create(blocker_id=blocker, blocked_id=blocked, since=NOW)
    told(b, a, now=NOW, text="Walks on her hands.")
    told(a, b, now=NOW, text="Keeps bees.")
    delivered(a, now=NOW, text="Won a prize.")
    return a, b


def package_of(subject_id: UUID, version: PolicyVersion) -> dict[str, list[dict[str, Any]]]:
    target = io.BytesIO()
    built = build(
        subject_id=subject_id,
        document=version.document,
        language="en",
        now=NOW,
        target=target,
        progress=lambda progress: None,
    )
    target.seek(0)
    archive = zipfile.ZipFile(io.BytesIO(b"".join(vault.read(target, vault.unwrap(built.key)))))
    kinds = json.loads(archive.read("data.json"))["kinds"]
    return {k["key"]: k["rows"] for k in kinds if k["key"].startswith("accounts.")}


def erase(subject_id: UUID) -> None:
    start(subject_id=subject_id, reason="request", actor=SYSTEM, now=NOW + timedelta(days=1))
    worked = work(now=NOW + timedelta(days=2))
    assert (len(worked.done), worked.failed) == (1, [])


def test_both_have_it_in_their_copies_without_the_other(
    two: tuple[UUID, UUID], wecustomers: PolicyVersion
) -> None:
    a, b = two
    mine, theirs = package_of(a, wecustomers), package_of(b, wecustomers)
    (connection_of_a,) = mine["accounts.connection"]
    (connection_of_b,) = theirs["accounts.connection_agreed"]
    assert connection_of_a["id"] == connection_of_b["id"]
    assert (connection_of_a["asker"], connection_of_a["asked"]) == (str(a), OTHERS)
    assert (connection_of_b["asker"], connection_of_b["asked"]) == (OTHERS, str(b))
    (sent,), (received,) = (
        mine["accounts.connection_request"],
        mine["accounts.connection_request_received"],
    )
    assert "declined_at" not in sent
    assert "withdrawn_at" not in received
    assert [row["blocked"] for row in theirs["accounts.block"]] == [OTHERS]
    said = {row["text"]: row for row in mine["accounts.fact"]}
    assert set(said) == {"Walks on her hands.", "Won a prize."}
    assert said["Walks on her hands."]["contributor"] == OTHERS
    assert said["Won a prize."]["source"] == "Newspapers"
    assert str(b) not in json.dumps(mine)


def test_nothing_of_an_erased_person_stays(two: tuple[UUID, UUID]) -> None:
    a, b = two
    kept = Fact.objects.get(subject_id=b)
    erase(a)
    assert not Connection.objects.exists()
    assert not ConnectionRequest.objects.exists()
    assert [row.pk for row in Fact.objects.all()] == [kept.pk]
    kept.refresh_from_db()
    assert kept.contributor_id is None
    found = dump()
    tables = [t for t in found if t.startswith("accounts_") and str(a) in str(found[t])]
    assert tables == []


def test_a_block_of_an_erased_person_is_empty(two: tuple[UUID, UUID]) -> None:
    _a, b = two
    erase(b)
    assert [row.blocked_id for row in Block.objects.all()] == [None]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM accounts_block WHERE blocker_id = %s", [b])
        assert cursor.fetchone() == (0,)


def test_what_nobody_answered_ends_and_what_was_accepted_stays(
    two: tuple[UUID, UUID],
) -> None:
    a, b = two
    kept = Fact.objects.get(subject_id=b)
    facts.accept(subject_id=b, handle=kept.handle, audience="members", actor=person(b), now=NOW)
    for asker in ConnectionRequest.objects.filter(asked_id=a):
        connections.decline(asked_id=a, handle=asker.handle, actor=person(a), now=NOW)
    sweep(now=NOW + timedelta(days=80))
    assert (Fact.objects.count(), ConnectionRequest.objects.count()) == (3, 2)
    sweep(now=NOW + timedelta(days=94))
    assert [row.pk for row in Fact.objects.all()] == [kept.pk]
    (unanswered,) = ConnectionRequest.objects.all()
    assert unanswered.asker_id == a
    sweep(now=NOW + timedelta(days=200))
    assert not ConnectionRequest.objects.exists()
    assert Connection.objects.count() == 1
