"""People who go on pressing buttons while processes die, and remember what they were told."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.faults.planter import Planter
from tests.faults.site import Site, ask

# What a site that lost its database, or a process, may answer; all else is a mistake of ours.
AWAY = (0, 503)


@dataclass
class Visitor:
    """Somebody who refuses news and then asks for deletion, each until the site says it has it."""

    number: int
    cookie: str
    refused: int = 0
    asked: int = 0


@dataclass
class Visitors:
    """A few people, each pressing from a thread of all of them."""

    site: Site
    mark: str
    people: list[Visitor] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    strange: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def planted(cls, site: Site, planter: Planter, *, seed: int, people: int) -> Visitors:
        """Signed-in people with addresses of their own."""
        mark = f"a{seed:07x}"
        (planted,) = planter.plant({"plant": "visitors", "mark": mark, "people": people})
        return cls(site, mark, [Visitor(n, cookie) for n, cookie in enumerate(planted["cookies"])])

    def start(self) -> None:
        """Begin to press."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._press, daemon=True)
        self._thread.start()

    def finish(self, *, seconds: float) -> None:
        """Let everybody get through to the site, then stop."""
        self._thread.join(seconds)
        self._stop.set()
        self._thread.join(20)

    def check(self) -> None:
        """Whatever was acknowledged is there, once, and nobody was shown a mistake."""
        assert self.strange == []
        refusing = {
            int(key)
            for (key,) in self.site.sql(
                "SELECT ('x' || right(subject_id::text, 8))::bit(32)::int FROM consent_choice"
                " WHERE subject_id::text LIKE %s AND kind = 'mail' AND decision = 'refused'",
                f"{self.mark}%",
            )
        }
        asking = Counter(
            int(key)
            for (key,) in self.site.sql(
                "SELECT ('x' || right(subject_id::text, 8))::bit(32)::int FROM requests_request"
                " WHERE subject_id::text LIKE %s",
                f"{self.mark}%",
            )
        )
        everybody = range(len(self.people))
        assert [(p.refused, p.asked) for p in self.people] == [(302, 302) for _p in everybody]
        assert refusing == set(everybody)
        assert asking == dict.fromkeys(everybody, 1)

    def _press(self) -> None:
        # Spread over the schedule: the first half refuses, then everybody asks.
        for step in ("refused", "asked"):
            for visitor in self.people:
                while not self._stop.is_set() and not getattr(visitor, step):
                    setattr(visitor, step, self._submit(visitor, step))
                    time.sleep(0.15)

    def _submit(self, visitor: Visitor, step: str) -> int:
        """Press once; the status if it was an acknowledgement."""
        news = {"kind": "mail", "key": "service-news"}
        pressed = ("/privacy/choices/", news) if step == "refused" else ("/privacy/delete/", {})
        answer = ask(self.site, pressed[0], cookie=visitor.cookie, fields=pressed[1])
        self.statuses[answer.status] += 1
        if answer.status == 302 and "/accounts/" not in answer.where:
            return answer.status
        if answer.status not in AWAY:
            self.strange.append((answer.status, f"{pressed[0]} → {answer.where}"))
        return 0
