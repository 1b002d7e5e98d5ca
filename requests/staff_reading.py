"""Whether staff see people's data only for an open task, and never unseen (WD-12).

Two looks that know nothing of each other. One acts: it makes up two people, opens every page of the
staff in every role and reads the answers; wherever a made-up name or address stands, the log of
readings must have grown by a line that says who, in which role, why and for which open task. The
other judges the lines of the last days: the role as the audit log tells it, and the task as it
was at that instant. The list of pages is read off the site's addresses.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from accounts import appointing, staff
from accounts.age import report_child
from accounts.models import User
from accounts.roles import Role
from audit import errands
from audit.control import Finding
from audit.log import SYSTEM, person
from audit.models import AuditEntry, StaffAccess
from requests import intake, probe

DAYS: Final = timedelta(days=30)
CHUNK: Final = 1000
ARGUMENT: Final = re.compile(r"<(?:[^:>]+:)?([^>]+)>")


@dataclass(frozen=True)
class Somebody:
    """A made-up person. words: their name and address, which stand nowhere else. references: of
    the open tasks about them.
    """

    user: User
    words: tuple[str, ...]
    references: tuple[str, ...]


@dataclass
class Reader:
    """Somebody who opens pages. known: readings that were looked at before."""

    name: str
    user: User
    client: Client
    known: set[UUID] = field(default_factory=set)

    def readings_of(self, somebody: Somebody) -> list[StaffAccess]:
        """What was written down of this reader and that person since the last time."""
        rows = StaffAccess.objects.filter(
            staff_id=self.user.pk, subject_id=somebody.user.subject_id
        ).exclude(pk__in=self.known)
        found = list(rows)
        self.known |= {row.pk for row in found}
        return found


@dataclass(frozen=True)
class Page:
    """An answer in which a person showed: to whom which page, and what is wrong with that."""

    name: str
    wrong: tuple[str, ...]


def check(now: datetime) -> Finding:
    """Pages as served to every role, and the log of readings of the last 30 days."""
    readings, violations = _judge_readings(now)
    pages = list(pages_with_people(now=now))
    violations += [f"{page.name}: {wrong}" for page in pages for wrong in page.wrong]
    return Finding.of(
        checked=readings + len(pages), violations=violations, readings=readings, pages=len(pages)
    )


def pages_with_people(*, now: datetime) -> Iterator[Page]:
    """Every answer to staff that shows one of two made-up people. To a superuser without a role
    none may, on Django's configuration pages neither.
    """
    people = [_with_a_request(now), _with_a_case(now)]
    readers = [_reader(role.value, role, now) for role in Role]
    superuser = _reader("superuser", None, now)
    for reader in [*readers, superuser]:
        for path in _addresses_of_staff(people):
            yield from _shown(reader, path, people, {})
        for each in people:
            for task in each.references:
                form = {"email": each.user.email, "task": task, "reason": "a check"}
                yield from _shown(reader, reverse("accounts:find_person"), people, form)
    for path in _addresses_of_configuration():
        yield from _shown(superuser, path, people, {})


def _shown(
    reader: Reader, path: str, people: list[Somebody], form: dict[str, str]
) -> Iterator[Page]:
    """Open a page, or send a form there; a `Page` for each person who stands in the answer."""
    secure = settings.SITE_URL.startswith("https://")
    response: Any
    if form:
        response = reader.client.post(path, form, secure=secure)
    else:
        response = reader.client.get(path, secure=secure)
    body = b"" if response.streaming else response.content
    for each in people:
        told = reader.readings_of(each)
        # What the reader typed stands in the form they get back; that tells them nothing.
        words = each.words if not form else each.words[1:]
        if any(word.encode() in body for word in words):
            wrong = [] if told else ["not written down"]
            wrong += [w for row in told for w in _wrong_with(row, reader.user.staff_role)]
            yield Page(f"{reader.name} {path}", tuple(wrong))


def _judge_readings(now: datetime) -> tuple[int, list[str]]:
    """How many lines there are of the last days, and what is wrong with which."""
    rows = StaffAccess.objects.filter(at__gt=now - DAYS, at__lte=now).order_by("at", "id")
    subjects = dict(
        User.objects.filter(pk__in=rows.order_by().values("staff_id")).values_list(
            "pk", "subject_id"
        )
    )
    roles = _roles_of(set(subjects.values()))
    checked, violations = 0, []
    for chunk in _chunks(rows):
        spans = errands.spans_of({row.task for row in chunk if row.subject_id})
        checked += len(chunk)
        for row in chunk:
            known = subjects.get(row.staff_id)
            # Nobody can tell any more which role a closed account had.
            role = roles_at(roles.get(known, []), row.at) if known else row.role
            wrong = _wrong_with(row, role, spans)
            violations += [f"reading {row.pk}: {each}" for each in wrong]
    return checked, violations


def _roles_of(subject_ids: set[UUID]) -> dict[UUID, list[tuple[datetime, str]]]:
    """Subject → when which role began, as the audit log tells; empty for a role taken away."""
    entries = AuditEntry.objects.filter(
        verb__in=("accounts.appointed", "accounts.dismissed"), subject_id__in=subject_ids
    ).order_by("at", "id")
    found: dict[UUID, list[tuple[datetime, str]]] = {}
    for subject_id, at, verb, facts in entries.values_list("subject_id", "at", "verb", "facts"):
        role = str(facts.get("role", "")) if verb == "accounts.appointed" else ""
        if subject_id is not None:
            found.setdefault(subject_id, []).append((at, role))
    return found


def roles_at(history: list[tuple[datetime, str]], at: datetime) -> str:
    """The role in force at an instant, oldest first; empty without one."""
    return next((role for since, role in reversed(history) if since <= at), "")


def _wrong_with(
    row: StaffAccess, role: str, spans: Mapping[str, errands.Span] | None = None
) -> list[str]:
    """What a line lacks. role: what the reader had then, by another source."""
    wrong = [] if row.role and row.role == role else ["role"]
    wrong += [] if row.reason.strip() else ["reason"]
    if row.subject_id is None:  # nobody was found, so nobody was shown
        return wrong
    span = (errands.spans_of([row.task]) if spans is None else spans).get(row.task)
    is_open = span is not None and span.covers(subject_id=row.subject_id, at=row.at)
    return wrong if is_open else [*wrong, "open task"]


def _chunks(rows: QuerySet[StaffAccess]) -> Iterator[list[StaffAccess]]:
    """So many lines at a time, without holding them all."""
    several: list[StaffAccess] = []
    for row in rows.iterator(chunk_size=CHUNK):
        several.append(row)
        if len(several) == CHUNK:
            yield several
            several = []
    if several:
        yield several


def _somebody() -> User:
    token = secrets.token_hex(8)
    return User.objects.create_user(
        f"probe-{token}@example.invalid",
        None,
        first_name=f"First{token}",
        last_name=f"Last{token}",
        now=timezone.now(),
        unconfirmed_since=None,
    )


def _described(user: User, now: datetime) -> Somebody:
    tasks = errands.open_tasks(subject_id=user.subject_id, now=now)
    words = (user.email, user.first_name, user.last_name)
    return Somebody(user, words, tuple(task.partition(":")[2] for task in tasks))


def _with_a_request(now: datetime) -> Somebody:
    """Somebody who asked for deletion, and about whom two people of the staff decide."""
    user = _somebody()
    intake.open_deletion(subject=user.subject, actor=person(user.subject_id), now=now)
    asker = _reader("asker", Role.PRIVACY_ADMIN, now).user
    appointing.ask(user=user, role=Role.SUPPORT, by=asker, now=now)
    return _described(user, now)


def _with_a_case(now: datetime) -> Somebody:
    """Somebody said to be a child."""
    user = _somebody()
    report_child(subject=user.subject, source="staff", actor=SYSTEM, now=now, arrived_at=now)
    return _described(user, now)


def _reader(name: str, role: Role | None, now: datetime) -> Reader:
    """Somebody with that role; without one, a superuser."""
    user = User.objects.create_user(
        f"probe-{secrets.token_hex(8)}@example.invalid",
        None,
        now=now,
        unconfirmed_since=None,
        is_staff=role is None,
        is_superuser=role is None,
    )
    if role is not None:
        staff.appoint(user=user, role=role, actor=SYSTEM, now=now)
    return Reader(name, user, probe.signed_in(user, now=now))


def _addresses_of_staff(people: list[Somebody]) -> Iterator[str]:
    """Every address below /staff/, about each of the people where it is about somebody."""
    references = [reference for each in people for reference in each.references]
    for route in _routes(get_resolver().url_patterns, ""):
        if route.startswith("staff/"):
            template = "/" + ARGUMENT.sub("%s", route)
            for values in product(references, repeat=len(ARGUMENT.findall(route))):
                yield template % values


def _addresses_of_configuration() -> Iterator[str]:
    """Django's own pages for superusers: the index and each table's list."""
    yield reverse("admin:index")
    for model in admin.site._registry:
        yield reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def _routes(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[str]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, route)
        else:
            yield route
