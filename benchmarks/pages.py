"""Pages: what a visitor costs, and pages over full tables."""

from __future__ import annotations

import time
from datetime import timedelta
from statistics import median
from typing import Any, Final

from benchmarks import crowd
from benchmarks.bench import Figure, Report, main
from benchmarks.server import Server

TITLE: Final = "Pages"
TIMES: Final = 15
VISITS: Final = 200
OPEN: Final = 10_000  # of a million requests
# Address, what it is called, most queries.
PERSONAL: Final = (("/privacy/", "privacy centre", 12),)
STAFF: Final = (
    ("/staff/requests/", "review queue", 15),
    ("/staff/requests/?show=closed", "review queue, closed ones", 15),
    ("/staff/", "staff console", None),
    ("/staff/retention/", "staff's page of sweeps and erasures", None),
)


def measure(server: Server, report: Report) -> None:
    """Visitors' pages first, then signed-in people's over as many requests as the scale says."""
    rows = report.rows
    name = busy(server, rows)
    server.copy(name, "measured")
    found = server.run("measured", "benchmarks.pages:visit")
    report.add(
        TITLE,
        Figure("front page, nobody signed in: queries", found["queries"], most=0),
        Figure("front page, nobody signed in", found["milliseconds"], "ms"),
        Figure("our own middleware's share of the work", found["share"], "ms", most=1),
    )
    for each in server.run("measured", "benchmarks.pages:signed_in")["pages"]:
        title = f"{each['title']}, {rows:,} requests"
        report.add(
            TITLE,
            Figure(f"{title}: queries", each["queries"], most=each["most"]),
            Figure(title, each["milliseconds"], "ms"),
        )


def busy(server: Server, rows: int) -> str:
    """A site of that many people, each with an account, a request, its event and its letter."""
    return server.template(
        f"busy_{rows}",
        crowd.people(rows),
        crowd.accounts(),
        crowd.requests(rows, age="10 days"),
        crowd.opened(max(rows * OPEN // 1_000_000, 50)),
        crowd.events(),
        crowd.letters(),
    )


def visit() -> dict[str, Any]:
    """The front page through the whole handler, with our own middleware and without, in turns."""
    from django.conf import settings
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext, override_settings

    ours = [m for m in settings.MIDDLEWARE if m.split(".")[0] in settings.ROOMS]
    others = [m for m in settings.MIDDLEWARE if m not in ours]
    whole = Client(headers={"host": "localhost"})
    with override_settings(MIDDLEWARE=others):
        bare = Client(headers={"host": "localhost"})
        _get(bare, "/")  # the handler reads the list of middleware at its first request
    _get(whole, "/")
    with CaptureQueriesContext(connection) as queries:
        _get(whole, "/")
        asked = len(queries)
    pairs = [(_timed(whole, "/"), _timed(bare, "/")) for _visit in range(VISITS)]
    return {
        "queries": asked,
        "milliseconds": 1000 * median(wall for (wall, _work), _bare in pairs),
        # Of the processor's time: it asks no database, so there is nothing else to wait for.
        "share": 1000 * median(ours[1] - bare[1] for ours, bare in pairs),
    }


def signed_in() -> dict[str, Any]:
    """The privacy centre of one person, and the desks of a privacy administrator."""
    from django.utils import timezone

    from accounts.models import User
    from accounts.roles import Role
    from accounts.staff import appoint
    from accounts.undertakings import record_training, sign
    from audit.log import SYSTEM
    from requests.models import Request

    now = timezone.now()
    owner = (
        Request.objects.filter(state="in_review").select_related("subject__user")[0].subject.user
    )
    admin = User.objects.create_user("admin@example.com", None, now=now)
    User.objects.filter(pk=admin.pk).update(unconfirmed_since=None)
    admin.refresh_from_db()
    appoint(user=admin, role=Role.PRIVACY_ADMIN, actor=SYSTEM, now=now)
    ends = now + timedelta(days=365)
    sign(user=admin, words="I keep it secret.", until=ends, now=now)
    record_training(
        user=admin, course="Data protection", done_at=now, until=ends, actor=SYSTEM, now=now
    )
    found = []
    for user, pages in ((owner, PERSONAL), (admin, STAFF)):
        client = _client(user)
        found += [_page(client, *page) for page in pages]
    return {"pages": found}


def _client(user: Any) -> Any:
    """Somebody signed in with a second factor."""
    from django.test import Client

    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    session = client.session
    session["account_authentication_methods"] = [{"method": "mfa", "at": 0, "type": "totp"}]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()
    return client


def _page(client: Any, address: str, title: str, most: int | None) -> dict[str, Any]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    _get(client, address)
    with CaptureQueriesContext(connection) as queries:
        _get(client, address)
        asked = len(queries)
    seconds = median(_timed(client, address)[0] for _time in range(TIMES))
    return {"title": title, "queries": asked, "most": most, "milliseconds": 1000 * seconds}


def _timed(client: Any, address: str) -> tuple[float, float]:
    """Seconds by the clock, and of this thread's work."""
    started, worked = time.perf_counter(), time.thread_time()
    _get(client, address)
    return time.perf_counter() - started, time.thread_time() - worked


def _get(client: Any, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 200, (address, response.status_code)


if __name__ == "__main__":
    main(measure)
