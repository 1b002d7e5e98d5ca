"""Work that is under way while processes die: when it is done, and what must then be true.

What must be true is asked in plain SQL of this file's own; the code that did the work is not asked.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from tests.faults.planter import Order, Planter
from tests.faults.site import Site


class Work(ABC):
    """One kind of work of one schedule. `mark` names its rows; `letter` begins the mark."""

    letter: ClassVar[str]

    def __init__(self, site: Site, *, seed: int) -> None:
        self.site = site
        self.mark = f"{self.letter}{seed:07x}"
        self.planted: dict[str, Any] = {}

    @abstractmethod
    def order(self, rng: random.Random) -> Order:
        """What `planting` has to do, as much of it as the generator says."""

    @abstractmethod
    def left(self) -> dict[str, int]:
        """What is not done yet; empty or zeros when it is."""

    @abstractmethod
    def is_under_way(self) -> bool:
        """Whether a worker is in the middle of it."""

    @abstractmethod
    def check(self, planter: Planter) -> None:
        """AssertionError when something is half done, done twice, or not right."""


class Erasures(Work):
    """Approved requests for deletion of people with many rows."""

    letter = "e"
    reason = "request"

    def order(self, rng: random.Random) -> Order:
        self.people = rng.randint(5, 30)
        sizes = {"sessions": rng.randint(50, 600), "messages": rng.randint(20, 150)}
        return {"plant": "erasures", "mark": self.mark, "people": self.people, **sizes}

    def left(self) -> dict[str, int]:
        return {
            "erasures": self.site.value(
                "SELECT %s - count(*) FROM retention_erasure"
                " WHERE subject_id::text LIKE %s AND state = 'done'",
                self.people,
                f"{self.mark}%",
            ),
            "answers": self._of_mark("consent_message", "subject_id"),
        }

    def is_under_way(self) -> bool:
        return bool(
            self.site.value(
                "SELECT EXISTS (SELECT FROM retention_erasure WHERE subject_id::text LIKE %s"
                " AND state IN ('running', 'verifying'))",
                f"{self.mark}%",
            )
        )

    def check(self, planter: Planter) -> None:
        self._check_nothing_is_left()
        self._check_counts()
        self._check_requests()

    def _check_nothing_is_left(self) -> None:
        """No name, no address, and no id outside the tables that are kept as proof."""
        proof = {
            "audit_auditentry",
            "audit_evidence",  # a check that ran meanwhile names by id what it found wrong
            "consent_event",
            "datamap_subject",
            "requests_approval",
            "requests_request",
            "retention_childcase",
            "retention_erasure",
            "retention_tombstone",
        }
        marked = tables_with(self.site, self.mark)
        assert set(marked) <= proof, marked
        for personal in (f"Name-{self.mark}", f"{self.mark}-_@", f"{self.mark}-__@"):
            assert tables_with(self.site, personal) == {}
        bare = self.site.sql(
            "SELECT count(*), count(email), count(external_id), count(erased_at)"
            " FROM datamap_subject WHERE id::text LIKE %s",
            f"{self.mark}%",
        )
        assert bare == [(self.people, 0, 0, self.people)]

    def _check_counts(self) -> None:
        """One tombstone each; its counts, the steps' and the log's are what was planted."""
        rows = self.site.sql(
            "SELECT t.rows, s.rows, a.facts->'rows', t.reason, e.state, e.claim IS NULL,"
            " (SELECT count(*) FROM retention_tombstone o WHERE o.subject_id = t.subject_id),"
            " (SELECT count(*) FROM audit_auditentry o WHERE o.verb = 'retention.erased'"
            "   AND o.subject_id = t.subject_id)"
            " FROM retention_tombstone t JOIN retention_erasure e ON e.id = t.erasure_id"
            " JOIN audit_auditentry a ON a.verb = 'retention.erased' AND a.object_id = e.id::text"
            " CROSS JOIN LATERAL (SELECT jsonb_object_agg(holding, rows) FILTER (WHERE rows > 0)"
            "   FROM retention_erasurestep WHERE erasure_id = e.id) s (rows)"
            " WHERE t.subject_id::text LIKE %s",
            f"{self.mark}%",
        )
        assert len(rows) == self.people
        for tombstone, steps, told, reason, state, is_free, tombstones, entries in rows:
            assert tombstone == steps == told
            assert (reason, state, is_free, tombstones, entries) == (
                *(self.reason, "done", True, 1, 1),
            )
            # Mail about the erasure itself counts if it had been sent by then.
            about_it = tombstone.pop("consent.mail", 0) - self.planted["consent.mail"]
            assert about_it in self.mails_about_it
            tombstone.pop("retention.child_case", None)
            assert tombstone == {k: n for k, n in self.planted.items() if k != "consent.mail"}

    mails_about_it = range(4)

    def _check_requests(self) -> None:
        """One completed request each, told once in every place, and the answer arrived."""
        rows = self.site.sql(
            "SELECT state, answer_id IS NOT NULL,"
            " (SELECT count(*) FROM requests_requestevent e"
            "   WHERE e.request_id = r.id AND e.step = 'completed'),"
            " (SELECT count(*) FROM audit_auditentry a"
            "   WHERE a.verb = 'requests.completed' AND a.object_id = r.id::text),"
            " (SELECT count(*) FROM audit_auditentry a"
            "   WHERE a.verb = 'consent.mail-sent' AND a.object_id = r.answer_id::text)"
            " FROM requests_request r WHERE subject_id::text LIKE %s",
            f"{self.mark}%",
        )
        assert rows == [("completed", True, 1, 1, 1)] * self.people

    def _of_mark(self, table: str, column: str) -> int:
        found: int = self.site.value(
            f"SELECT count(*) FROM {table} WHERE {column}::text LIKE %s", f"{self.mark}%"
        )
        return found


class Children(Erasures):
    """Cases of children whose time to contest ends while processes die."""

    letter = "c"
    reason = "child"
    mails_about_it = range(1, 2)  # that they were locked

    def order(self, rng: random.Random) -> Order:
        self.people = rng.randint(2, 12)
        sizes = {"people": self.people, "sessions": rng.randint(5, 100)}
        return {"plant": "children", "mark": self.mark, **sizes}

    def left(self) -> dict[str, int]:
        return super().left() | {
            "cases": self.site.value(
                "SELECT count(*) FROM retention_childcase"
                " WHERE subject_id::text LIKE %s AND state <> 'erased'",
                f"{self.mark}%",
            )
        }

    def _check_requests(self) -> None:
        """One case each, closed once."""
        rows = self.site.sql(
            "SELECT state, closed_at IS NOT NULL, statement IS NULL,"
            " (SELECT count(*) FROM audit_auditentry a"
            "   WHERE a.verb = 'retention.child-erased' AND a.object_id = c.id::text),"
            " (SELECT count(*) FROM audit_auditentry a"
            "   WHERE a.verb = 'retention.child-contest-ended' AND a.object_id = c.id::text)"
            " FROM retention_childcase c WHERE subject_id::text LIKE %s",
            f"{self.mark}%",
        )
        assert rows == [("erased", True, True, 1, 1)] * self.people


class Packages(Work):
    """Copies of everything, ordered by approved requests."""

    letter = "9"

    def order(self, rng: random.Random) -> Order:
        self.people = rng.randint(1, 4)
        sizes = {"people": self.people, "sessions": rng.randint(200, 4_000)}
        return {"plant": "packages", "mark": self.mark, **sizes}

    def left(self) -> dict[str, int]:
        return {
            "packages": self.site.value(
                "SELECT %s - count(*) FROM requests_package WHERE subject_id::text LIKE %s"
                " AND state = 'ready'",
                self.people,
                f"{self.mark}%",
            ),
            "messages": self.site.value(
                "SELECT count(*) FROM consent_message WHERE subject_id::text LIKE %s"
                " AND state IN ('queued', 'sending')",
                f"{self.mark}%",
            ),
        }

    def is_under_way(self) -> bool:
        return bool(
            self.site.value(
                "SELECT EXISTS (SELECT FROM requests_package WHERE subject_id::text LIKE %s"
                " AND state = 'building')",
                f"{self.mark}%",
            )
        )

    def check(self, planter: Planter) -> None:
        """One whole package each; the request is completed and told once."""
        rows = self.site.sql(
            "SELECT r.state, p.claim IS NULL, p.rows >= %s, p.name, p.size,"
            " (SELECT count(*) FROM requests_package o WHERE o.request_id = r.id),"
            " (SELECT count(*) FROM requests_requestevent e"
            "   WHERE e.request_id = r.id AND e.step = 'completed'),"
            " (SELECT count(*) FROM audit_auditentry a"
            "   WHERE a.verb = 'requests.completed' AND a.object_id = r.id::text),"
            " (SELECT count(*) FROM consent_message m"
            "   WHERE m.subject_id = r.subject_id AND m.template = 'access_ready')"
            " FROM requests_request r JOIN requests_package p ON p.request_id = r.id"
            " WHERE r.subject_id::text LIKE %s",
            *(self.planted["rows"], f"{self.mark}%"),
        )
        assert len(rows) == self.people
        for state, is_free, enough, name, size, *counts in rows:
            assert (state, is_free, enough, counts) == ("completed", True, True, [1, 1, 1, 1])
            assert (self.site.packages / name).stat().st_size > size
        (opened,) = planter.plant({"plant": "opened", "mark": self.mark})
        assert opened["packages"] == [[True, True]] * self.people


class Sweep(Work):
    """Tens of thousands of rows past their period in three tables."""

    letter = "5"

    def order(self, rng: random.Random) -> Order:
        self.before = self._counted()
        return {
            "plant": "sweep",
            "mark": self.mark,
            "sessions": rng.randint(10_000, 40_000),
            "messages": rng.randint(2_000, 12_000),
            "links": rng.randint(2_000, 12_000),
        }

    def left(self) -> dict[str, int]:
        rows = {
            table: self.site.value(
                f"SELECT count(*) FROM {table} WHERE {column} LIKE %s", f"{self.mark}+%"
            )
            for table, column in (
                ("accounts_session", "session_key"),
                ("consent_message", "message_id"),
                ("requests_statuslink", "token_hash"),
            )
        }
        open_runs = "SELECT count(*) FROM retention_sweeprun WHERE finished_at IS NULL"
        return rows | {
            "runs": self.site.value(open_runs),
            "ticks": self.site.value(
                "SELECT count(*) FROM retention_tick"
                " WHERE name = 'retention.sweep' AND (due_at <= now() OR claim IS NOT NULL)"
            ),
        }

    def is_under_way(self) -> bool:
        rows = self.left()["accounts_session"]
        return bool(0 < rows < self.planted["accounts.session"])

    def check(self, planter: Planter) -> None:
        after = self._counted()
        grown = {
            source: {
                holding: counts.get(holding, 0) - self.before[source].get(holding, 0)
                for holding in counts
                if counts[holding] != self.before[source].get(holding, 0)
            }
            for source, counts in after.items()
        }
        assert grown == {"steps": self.planted, "log": self.planted}
        failed = "SELECT holding, error FROM retention_sweepstep WHERE error <> ''"
        assert self.site.sql(failed) == []
        half_done = "SELECT count(*) FROM retention_sweeprun WHERE state NOT IN ('done', 'paused')"
        assert self.site.value(half_done) == 0

    def _counted(self) -> dict[str, dict[str, int]]:
        """Holding → rows that sweeps have counted so far, by their steps and by the log."""
        steps = "SELECT holding, sum(rows)::int FROM retention_sweepstep GROUP BY 1"
        log = (
            "SELECT facts->>'holding', sum((facts->>'rows')::int)::int FROM audit_auditentry"
            " WHERE verb = 'retention.swept' GROUP BY 1"
        )
        return {
            "steps": {str(k): int(n) for k, n in self.site.sql(steps) if n},
            "log": {str(k): int(n) for k, n in self.site.sql(log) if n},
        }


class Letters(Work):
    """Mail on its way: news that some people refused, and letters about accounts."""

    letter = "d"

    def order(self, rng: random.Random) -> Order:
        return {"plant": "letters", "mark": self.mark, "people": rng.randint(20, 60)}

    def left(self) -> dict[str, int]:
        return {
            "messages": self.site.value(
                "SELECT count(*) FROM consent_message WHERE subject_id::text LIKE %s"
                " AND state IN ('queued', 'sending')",
                f"{self.mark}%",
            )
        }

    def is_under_way(self) -> bool:
        return bool(0 < self.left()["messages"] < len(self.planted["account"]))

    def check(self, planter: Planter) -> None:
        arrived = self.site.arrived()
        states = dict(
            self.site.sql(
                "SELECT message_id, state FROM consent_message WHERE subject_id::text LIKE %s",
                f"{self.mark}%",
            )
        )
        for identifier in self.planted["account"]:
            assert states.pop(identifier) == "sent"
            assert arrived.get(identifier, 0) >= 1
        for identifier in self.planted["voluntary"]:
            times = {"sent": (1,), "uncertain": (0, 1)}
            assert arrived.get(identifier, 0) in times[states.pop(identifier)], identifier
        for identifier in self.planted["refused"]:
            # Whose sender died before it asked is not known to have been refused.
            assert states.pop(identifier) in ("refused", "uncertain")
            assert arrived.get(identifier, 0) == 0
        assert states == {}


KINDS: tuple[type[Work], ...] = (Erasures, Children, Packages, Sweep, Letters)


def plant(
    kinds: Sequence[type[Work]], *, seed: int, site: Site, planter: Planter, rng: random.Random
) -> list[Work]:
    """Works of these kinds, all of them due from the same instant on."""
    works = [kind(site, seed=seed) for kind in kinds]
    answers = planter.plant(*(work.order(rng) for work in works))
    for work, answer in zip(works, answers, strict=True):
        work.planted = answer
    return works


def tables_with(site: Site, words: str) -> dict[str, int]:
    """Table → rows in whose text the words stand; `_` stands for any one character."""
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    each = " UNION ALL ".join(
        f"SELECT '{table}', count(*) FROM {table} t WHERE t::text LIKE '%%{words}%%'"
        for (table,) in site.sql(tables)
    )
    return {str(table): int(count) for table, count in site.sql(f"{each} -- %s", 0) if count}
