"""The sweep, beside the best SQL one would write by hand for the same rows and the same records."""

from __future__ import annotations

import time
from typing import Any, Final

from benchmarks import crowd
from benchmarks.bench import Figure, Report, main, middle, ratio
from benchmarks.server import Server, result

TITLE: Final = "Sweep of requests past their period, each with an event and a letter"
HOLDING: Final = "requests.request"
ROUNDS: Final = 3
SMALL: Final = 10_000
CHUNK: Final = 2_000  # of the hand-written SQL: the fastest of 1,000, 2,000, 4,000 and 8,000
ORM_CHUNK: Final = 2_000
ORM_SHARE: Final = 5  # the ORM gets a fifth of the rows, or it would take most of the time

# What somebody would write who knows these tables and Postgres well: one round trip in all, keys
# never leave the server, keyset paging along the clock's index, what refers to a row by array, and
# per chunk, in its transaction, the audit entry and the counts. All five tables that may refer to
# a request are asked, or a foreign key would refuse; two of them have rows.
BY_HAND: Final = """
CREATE PROCEDURE sweep_by_hand(step bigint, until timestamptz, size integer)
LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    clocks timestamptz[];
    last_at timestamptz := '-infinity';
    last_id uuid := '00000000-0000-0000-0000-000000000000';
    went integer; events integer; letters integer; approvals integer;
    entry uuid;
    facts jsonb;
BEGIN
    LOOP
        SELECT array_agg(id), array_agg(closed_at) INTO ids, clocks FROM (
            SELECT id, closed_at FROM requests_request
            WHERE closed_at <= until AND (closed_at, id) > (last_at, last_id)
            ORDER BY closed_at, id LIMIT size FOR UPDATE SKIP LOCKED) AS picked;
        EXIT WHEN ids IS NULL;
        last_at := clocks[array_upper(clocks, 1)];
        last_id := ids[array_upper(ids, 1)];
        DELETE FROM requests_requestevent WHERE request_id = ANY (ids);
        GET DIAGNOSTICS events = ROW_COUNT;
        DELETE FROM requests_letter WHERE request_id = ANY (ids);
        GET DIAGNOSTICS letters = ROW_COUNT;
        DELETE FROM requests_approval WHERE request_id = ANY (ids);
        GET DIAGNOSTICS approvals = ROW_COUNT;
        UPDATE requests_statuslink SET request_id = NULL WHERE request_id = ANY (ids);
        UPDATE requests_package SET request_id = NULL WHERE request_id = ANY (ids);
        DELETE FROM requests_request WHERE id = ANY (ids);
        GET DIAGNOSTICS went = ROW_COUNT;
        entry := uuidv7();
        facts := jsonb_build_object('holding', 'requests.request', 'clock', 'closed',
            'action', 'delete', 'rows', went, 'with_them', jsonb_build_object(
            'events', events, 'letters', letters, 'approvals', approvals));
        INSERT INTO audit_auditentry
            (id, at, actor_kind, verb, object_type, object_id, facts, leaf)
        VALUES (entry, clock_timestamp(), 'system', 'retention.swept', 'retention.sweepstep',
            step::text, facts, sha256(convert_to(facts::text, 'UTF8')));
        INSERT INTO audit_unsealed (entry_id) VALUES (entry);
        UPDATE retention_sweepstep SET rows = rows + went, chunks = chunks + 1,
            with_them = with_them + events + letters + approvals WHERE id = step;
        COMMIT;
    END LOOP;
END $$
"""


def measure(server: Server, report: Report) -> None:
    """Rounds of all contestants in turn, each on a fresh copy of the same database."""
    rows = report.rows
    due = _due(server, rows)
    ours, hand, pairs, orm, fifth = [], [], [], [], []
    share = _due(server, rows // ORM_SHARE)
    for _round in range(ROUNDS if report.full else 1):
        hand.append(_one(server, due, "by_hand", rows))
        ours.append(_one(server, due, "product", rows))
        pairs.append(_two(server, due, rows))
        fifth.append(_one(server, share, "product", rows // ORM_SHARE))
        orm.append(_one(server, share, "by_orm", rows // ORM_SHARE))
    few = min(SMALL, rows // 10)
    small = _one(server, _due(server, few), "product", few)
    more = middle(ours, "peak_mb") - small["peak_mb"]
    report.add(
        TITLE,
        Figure(f"{rows:,} rows", middle(ours, "seconds"), "s"),
        Figure("rows a second; twice as many go with them", rows / middle(ours, "seconds")),
        Figure("the same by hand-written SQL", middle(hand, "seconds"), "s"),
        Figure("Kept over hand-written SQL", ratio(ours, hand, "seconds"), "×", most=1.3),
        Figure("chunked QuerySet.delete() over Kept", ratio(orm, fifth, "seconds"), "×", least=2),
        Figure("two workers", middle(pairs, "seconds"), "s"),
        Figure("one worker over two", ratio(ours, pairs, "seconds"), "×", least=1.0),
        Figure("longest transaction", middle(ours, "longest_ms"), "ms", most=250),
        Figure("rows in a chunk", middle(ours, "rows") / middle(ours, "chunks")),
        Figure(f"peak memory at {few:,} rows", small["peak_mb"], "MB"),
        Figure(f"peak memory at {rows:,} rows", middle(ours, "peak_mb"), "MB"),
        Figure("more memory for more rows", more, "MB", most=20),
    )
    for template in (due, share):
        server.drop(template)


def _due(server: Server, rows: int) -> str:
    """A database with so many requests that are due, and a tenth of that many that are not."""
    return server.template(
        f"due_{rows}",
        crowd.people(max(rows // 5, 10)),
        crowd.requests(rows, age="3 years"),
        crowd.requests(rows // 10, age="10 days", salt="young"),
        crowd.events(),
        crowd.letters(),
        (BY_HAND, {}),
    )


def _one(server: Server, template: str, work: str, rows: int) -> dict[str, Any]:
    server.copy(template, "measured")
    found = server.run("measured", f"benchmarks.sweep:{work}")
    _check(server, rows)
    return found


def _two(server: Server, template: str, rows: int) -> dict[str, Any]:
    """Two workers at once; the time until the second one has ended."""
    server.copy(template, "measured")
    workers = [server.start("measured", "benchmarks.sweep:product") for _worker in range(2)]
    found = [result(worker) for worker in workers]
    _check(server, rows)
    began, ended = min(f["began"] for f in found), max(f["ended"] for f in found)
    return {"seconds": ended - began}


def _check(server: Server, rows: int) -> None:
    """Nothing due is left, nothing else is gone: a fast sweep that is wrong is worth nothing."""
    left = server.ask(
        "measured",
        "SELECT (SELECT count(*) FROM requests_request),"
        " (SELECT count(*) FROM requests_requestevent), (SELECT count(*) FROM requests_letter)",
    )[0]
    if set(left) != {rows // 10}:
        raise AssertionError(f"{left} rows are left instead of {rows // 10}")


def product() -> dict[str, Any]:
    """Kept's own sweep of one holding."""
    from django.utils import timezone

    from retention.sweep import sweep

    began = time.time()
    run = sweep(now=timezone.now(), holding=HOLDING)
    ended = time.time()
    step = run.steps.get()
    return {
        "seconds": ended - began,
        "began": began,
        "ended": ended,
        "rows": step.rows,
        "chunks": step.chunks,
        "longest_ms": step.longest_ms,
    }


def by_hand(chunk: int = CHUNK) -> dict[str, Any]:
    """The procedure above."""
    from django.db import connection

    step = _step()
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO off")  # as Kept's chunks do
        cursor.execute("CALL sweep_by_hand(%s, now() - interval '2 years', %s)", [step.pk, chunk])
    return {"seconds": time.perf_counter() - started}


def by_orm() -> dict[str, Any]:
    """What Django itself offers, in chunks, with the same audit entry for each."""
    from datetime import timedelta

    from django.db import transaction
    from django.utils import timezone

    from audit.log import SYSTEM, record
    from requests.models import Request

    step, now = _step(), timezone.now()
    due = Request.objects.filter(closed_at__lte=now - timedelta(days=731)).order_by("closed_at")
    started = time.perf_counter()
    while True:
        with transaction.atomic():
            ids = list(due.values_list("pk", flat=True)[:ORM_CHUNK])
            if not ids:
                break
            _rows, by_model = Request.objects.filter(pk__in=ids).delete()
            record(actor=SYSTEM, verb="retention.swept", now=now, object=step, facts=by_model)
    return {"seconds": time.perf_counter() - started}


def _step() -> Any:
    from django.utils import timezone

    from retention.models import SweepRun, SweepStep

    now = timezone.now()
    run = SweepRun.objects.create(policy_digest="0" * 64, started_at=now)
    return SweepStep.objects.create(
        run=run,
        holding=HOLDING,
        clock="closed",
        action="delete",
        rule_digest="0" * 64,
        policy_digest="0" * 64,
        until=now,
    )


if __name__ == "__main__":
    main(measure)
