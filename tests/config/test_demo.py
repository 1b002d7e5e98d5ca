"""The demo: a year lived through the rooms' own functions, judged by a model of its own."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.relativedelta import relativedelta
from django.core.management import call_command

from accounts.models import Session, User
from audit.models import Evidence
from config.demo.people import cast
from config.demo.year import fill
from consent.models import Message, State
from datamap import registry
from policy import current
from policy.document import Document
from policy.evaluation import evaluate
from requests.models import Request
from retention.models import Erasure
from retention.sweep import sweep
from tests.plugins.smtp import Server

POLICIES = sorted(Path("policies").glob("*.toml"))
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WECUSTOMERS = Path("policies/wecustomers.toml")


@pytest.fixture
def year(db: None, smtp: Server) -> Iterator[None]:
    """A WeCustomers site after its first year."""
    fill(source=WECUSTOMERS.read_bytes(), filename=WECUSTOMERS.name, now=NOW)
    yield
    current.forget()


def end_of(period: str, start: datetime, zone: ZoneInfo) -> datetime:
    """When a period that began then is over: the slow model's own reading of the policy file."""
    number, unit = period.split(" ", 1)
    unit = unit.removesuffix("s")
    if unit in ("minute", "hour"):
        return start + timedelta(**{f"{unit}s": int(number)})
    wall = start.astimezone(zone).replace(tzinfo=None)
    return (wall + relativedelta(**{f"{unit}s": int(number)})).replace(tzinfo=zone)  # type: ignore[arg-type]


def due_by_the_file(now: datetime) -> dict[str, set[Any]]:
    """Holding → keys of the rows the rules say have to go, judged row by row."""
    policy = tomllib.loads(WECUSTOMERS.read_text())
    zone = ZoneInfo(policy["site"]["time_zone"])
    due: dict[str, set[Any]] = {}
    for rule in policy["retention"]:
        holding = registry.holding(rule["holding"])
        column = holding.clocks[rule["clock"]]
        rows = holding.rows().filter(**holding.due)
        for row in rows:
            clock = getattr(row, column)
            if clock is not None and end_of(rule["period"], clock, zone) <= now:
                due.setdefault(f"{holding.key} {rule.get('action', 'delete')}", set()).add(row.pk)
    return due


def test_sweep_takes_exactly_what_a_slow_model_of_the_rules_says(year: None) -> None:
    """Every rule of the file, judged row by row in Python, against the set-based sweep."""
    due = due_by_the_file(NOW)
    before = {h.key: set(h.rows().values_list("pk", flat=True)) for h in registry.holdings()}
    assert len(due["accounts.session delete"]) > 100
    assert due["accounts.account erase"]

    sweep(now=NOW)

    for rule in tomllib.loads(WECUSTOMERS.read_text())["retention"]:
        key, action = rule["holding"], rule.get("action", "delete")
        after = set(registry.holding(key).rows().values_list("pk", flat=True))
        expected = due.get(f"{key} delete", set()) if action == "delete" else set()
        assert before[key] - after == expected, f"{key} {action}"
    subjects = User.objects.filter(pk__in=due["accounts.account erase"]).values("subject_id")
    planned = Erasure.objects.filter(subject_id__in=subjects, reason="period")
    assert planned.count() == len(due["accounts.account erase"])
    assert not due_by_the_file(NOW).get("accounts.session delete")


def test_year_keeps_every_promise_a_control_watches(year: None) -> None:
    """The rooms' own functions can't break a promise: every check finds what it looks for."""
    sweep(now=NOW)
    from retention import erase_worker

    erase_worker.work(now=NOW)
    found = {e.control.key: e.evidence for e in evaluate(version=current.fresh(NOW), now=NOW)}
    broken = {key: (e.outcome, e.figures) for key, e in found.items() if e.outcome != "kept"}
    assert broken == {}
    assert found["consent.voluntary-mail"].checked > 100


def test_year_has_something_of_everything(year: None) -> None:
    """What the pages are looked at with: every state of a request, mail sent, people erased."""
    states = set(Request.objects.values_list("state", flat=True))
    assert {"in_review", "completed", "denied", "withdrawn"} <= states
    assert Message.objects.filter(state=State.SENT).count() > 100
    assert Session.objects.filter(expire_date__lt=NOW).count() > 100
    # Checks unpack log-ins; one without data would be told of as damaged, each time.
    assert not Session.objects.filter(session_data="").exists()
    assert Erasure.objects.filter(state=Erasure.State.DONE).count() >= 2


def test_filling_again_changes_nothing(year: None) -> None:
    """A second `make run` finds its people again."""
    before = User.objects.count(), Message.objects.count()
    assert fill(source=WECUSTOMERS.read_bytes(), filename=WECUSTOMERS.name, now=NOW) is False
    assert (User.objects.count(), Message.objects.count()) == before


@pytest.mark.parametrize("path", POLICIES, ids=lambda p: p.stem)
def test_demo_fills_a_site_under_each_policy(
    path: Path, db: None, smtp: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same code under five policies; where nobody under age may register, no teen does."""
    call_command("demo", "--policy", str(path), "--json")
    people = json.loads(capsys.readouterr().out)
    document: Document = current.in_force().document
    assert [p["role"] for p in people] == [p.role for p in cast(document)]
    assert ("teen" in {p["role"] for p in people}) == ((document.age.youngest or 13) < 18)
    for one in people:
        assert User.objects.get(email=one["email"]).check_password(one["password"])
    assert not Evidence.objects.exclude(outcome="kept").exists()
    current.forget()
