"""Erasing one person among many, from the reviewer's approval to the verified end."""

from __future__ import annotations

import time
from typing import Any, Final

from benchmarks import crowd
from benchmarks.bench import Figure, Report, main, middle
from benchmarks.server import Server

TITLE: Final = "Erasure of one person with rows in five holdings, approval to verified"
LIMITS: Final = {10: 0.3, 1_000: 0.3, 10_000: 0.5}  # rows of the person → seconds
TIMES: Final = 7
BYSTANDERS: Final = 100_000  # of a million; each with five rows


def measure(server: Server, report: Report) -> None:
    """Seven people of each size, one after the other, among all the others."""
    bystanders = max(report.rows * BYSTANDERS // 1_000_000, 100)
    names = {rows: f"heavy{rows}x" for rows in LIMITS}
    fillings = [crowd.people(bystanders), *(crowd.people(TIMES, name=n) for n in names.values())]
    fillings += [crowd.accounts(), *crowd.five_holdings(5, name="person")]
    for rows, name in names.items():
        fillings += crowd.five_holdings(rows, name=name)
    server.copy(server.template("people", *fillings), "measured")
    for rows, name in names.items():
        found = server.run("measured", "benchmarks.erasure:erase_all", name=name, rows=rows)
        seconds = found["seconds"]
        report.add(
            TITLE,
            Figure(
                f"{rows:,} rows, {bystanders:,} bystanders",
                middle(seconds, "seconds"),
                "s",
                most=LIMITS[rows],
            ),
            Figure("slowest of seven", max(each["seconds"] for each in seconds), "s"),
        )
    counts = server.ask("measured", "SELECT count(*) FROM account_emailaddress")
    if counts != [(bystanders,)]:
        raise AssertionError(f"{counts} addresses are left instead of the bystanders' {bystanders}")
    server.drop("people")


def erase_all(name: str, rows: int) -> dict[str, Any]:
    """Ask, approve and erase each person whose address begins so; only the last two are timed."""
    from django.utils import timezone

    from accounts.models import User
    from accounts.roles import Role
    from accounts.staff import appoint
    from audit.log import SYSTEM, person
    from datamap.models import Subject
    from requests import intake, review
    from retention import erase
    from retention.models import Erasure, Tombstone

    now = timezone.now()
    reviewer = User.objects.create_user(f"{name}-reviewer@example.com", None, now=now)
    User.objects.filter(pk=reviewer.pk).update(unconfirmed_since=None)
    reviewer.refresh_from_db()
    appoint(user=reviewer, role=Role.REVIEWER, actor=SYSTEM, now=now)
    found = []
    for subject in Subject.objects.filter(email__startswith=name).order_by("email"):
        if subject.pk == reviewer.subject_id:
            continue
        asked, _link = intake.open_deletion(subject=subject, actor=person(subject.pk), now=now)
        started = time.perf_counter()
        approved = review.approve(request_id=asked.pk, reviewer=reviewer, now=now)
        assert approved.undo_until is not None
        erase.work(now=approved.undo_until)
        seconds = time.perf_counter() - started
        done = Erasure.objects.get(subject=subject)
        assert done.state == Erasure.State.DONE, done.error
        gone = Tombstone.objects.get(subject_id=subject.pk).rows
        assert sum(gone.values()) >= rows, gone
        found.append({"seconds": seconds})
    return {"seconds": found}


if __name__ == "__main__":
    main(measure)
