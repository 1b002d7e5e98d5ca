"""Somebody who used everything there is asks to be deleted, and is then looked for everywhere.

Every column of every table as text, what is sealed in it opened; every stored file and its name;
everything in Valkey; every line of every log. For their addresses, names, telephone number, what
they wrote, and every token they ever held, in each spelling a machine may have kept.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core.cache import cache
from django.core.files.storage import Storage, storages
from django.utils import timezone

from consent import delivery
from datamap.registry import holdings
from requests.models import Request
from retention import erase_worker
from tests.accounts.dump import dump
from tests.factories.everything import EMAIL, NAME, Life, ask_for_deletion, lived
from tests.factories.policy import edited, publish_bytes
from tests.factories.traces import traces
from tests.plugins.smtp import Server

# What one grown-up life with two addresses can't have: a case of being a child, whose tests search
# for themselves (tests/retention/test_children.py), and what only comes of the erasure.
NOT_IN_ONE_LIFE = {"retention.child_case"}
ONLY_AFTERWARDS = {"retention.erasure", "retention.tombstone"}
EVERYTHING = ("payments = false", "payments = true")
STORES = ("default", "photos", "packages")


def tables() -> Iterator[tuple[str, bytes]]:
    """Table → its rows."""
    for table, rows in dump().items():
        for row in rows:
            yield table, row.encode()


def files(storage: Storage, folder: str = "") -> Iterator[tuple[str, bytes]]:
    """Name → name and content of every stored file."""
    try:
        folders, names = storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        path = f"{folder}/{name}" if folder else name
        with storage.open(path) as file:
            yield f"file {path}", path.encode() + b"\n" + file.read()
    for each in folders:
        yield from files(storage, f"{folder}/{each}" if folder else each)


def valkey(url: str) -> Iterator[tuple[str, bytes]]:
    """Key → key and value, of every type there is."""
    server: Any = redis.Redis.from_url(url)
    read = {
        b"string": lambda key: [server.get(key)],
        b"list": lambda key: server.lrange(key, 0, -1),
        b"set": server.smembers,
        b"hash": lambda key: [part for pair in server.hgetall(key).items() for part in pair],
        b"zset": lambda key: server.zrange(key, 0, -1),
    }
    for key in server.scan_iter():
        values = read[server.type(key)](key)
        yield f"valkey {key!r}", b"\n".join([key, *(value or b"" for value in values)])
    server.close()


@pytest.mark.django_db
def test_somebody_who_used_everything_leaves_no_trace(
    smtp: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    cache.clear()
    publish_bytes(edited("policies/wecustomers.toml", EVERYTHING))
    now = timezone.now()
    life = lived(now=now)
    _left_something_in_every_holding(life)
    seen = traces(life.words, tables())
    assert {EMAIL, *NAME} <= {word for words in seen.values() for word in words}

    request = ask_for_deletion(life, now=now)
    _let_mail_out(now)
    assert request.undo_until is not None
    end = request.undo_until + timedelta(minutes=1)
    erase_worker.work(now=end)
    _let_mail_out(end + timedelta(minutes=1))
    request.refresh_from_db()
    assert request.state == Request.State.COMPLETED

    assert traces(life.words, tables()) == {}
    for store in STORES:
        assert traces(life.words, files(storages[store])) == {}, store
    assert traces(life.words, valkey(settings.REDIS_URL)) == {}
    ours = "\n".join(r.getMessage() for r in caplog.records if r.name != "mail.log")
    assert traces(life.words, [("log", ours.encode())]) == {}


def _let_mail_out(now: datetime) -> None:
    tally = delivery.deliver_due(clock=lambda: now, budget=timedelta(minutes=5))
    assert set(tally) <= {"sent", "refused"}


def _left_something_in_every_holding(life: Life) -> None:
    """A holding nobody of this test has a row in would not be searched for."""
    ids = [life.user.subject_id, life.other.subject_id]
    without = set()
    for holding in holdings():
        rows = holding.rows_of(ids)
        for path in holding.also:
            rows = rows | holding.rows().filter(**{f"{path}__in": ids})
        if not rows.exists():
            without.add(holding.key)
    assert without == NOT_IN_ONE_LIFE | ONLY_AFTERWARDS, "add a line to factories/everything.py"
