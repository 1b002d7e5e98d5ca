"""Gives a running site people and work, through the product's own functions where they decide.

Everything planted carries a mark (a letter and the seed, `e000002a`): keys, addresses and names
begin with it, so plain SQL over all tables finds whatever is left of it. Runs in a process of the
site, see `planter`.
"""

from __future__ import annotations

import hashlib
import io
import time
import zipfile
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.db import connection

from accounts.age import learn_birth_date
from accounts.models import AgeVerdict, User
from accounts.roles import Role
from accounts.sessions import SessionStore
from accounts.staff import appoint, set_authenticator_secret
from accounts.undertakings import record_training, sign
from audit.log import SYSTEM, person
from consent import ledger, mail, words
from consent.ledger import Shown
from consent.models import Choice, Event, Message
from datamap.models import Subject
from policy import current
from policy.publish import publish
from requests import intake, review
from requests.models import Package, Request
from requests.package import store, vault
from retention.models import ChildCase

Facts = dict[str, Any]
NEWS = "service-news"
CONTEST = timedelta(seconds=2)
BACKEND = "accounts.backends.AccountBackend"


def identity(mark: str, number: int, part: int = 0) -> UUID:
    """A key that begins with the mark; `part` tells a person's rows of several tables apart."""
    return UUID(f"{mark}-0000-4000-8000-{part:04x}{number:08x}")


def address(mark: str, number: int) -> str:
    """The address of a planted person."""
    return f"{mark}-{number}@example.com"


def house(*, policy: str, now: datetime) -> Facts:
    """A policy that has been in force for long, and bystanders with something in every table."""
    with open(policy, "rb") as file:
        source = file.read()
    then = now - timedelta(days=400)
    publish(source=source, filename="policy.toml", actor=SYSTEM, now=then)
    _people("b0000000", 20, now=now)
    _belongings("b0000000", 20, sessions=40, messages=20, choices=10, now=now)
    _ends("b0000000", 3_000, expired=now + timedelta(days=9), ended=now - timedelta(days=3))
    return {}


def erasures(*, mark: str, people: int, sessions: int, messages: int, now: datetime) -> Facts:
    """People with many rows whose requests for deletion a reviewer approves."""
    users = _people(mark, people, now=now)
    _belongings(mark, people, sessions=sessions, messages=messages, choices=20, now=now)
    reviewer = _people(f"f{mark[1:]}", 1, now=now)[0]
    for user in users:
        request, _token = intake.open_deletion(
            subject=user.subject, actor=person(user.subject_id), now=now
        )
        review.approve(request_id=request.pk, reviewer=reviewer, now=now)
    return {
        "accounts.account": 1,
        "accounts.age": 1,
        "accounts.email_address": 1,
        "accounts.session": sessions,
        "consent.choice": 20,
        "datamap.subject": 1,
        "consent.mail": messages,
    }


def packages(*, mark: str, people: int, sessions: int, now: datetime) -> Facts:
    """People whose requests for a copy of everything a reviewer approves."""
    users = _people(mark, people, now=now)
    _belongings(mark, people, sessions=sessions, messages=10, choices=10, now=now)
    reviewer = _people(f"f{mark[1:]}", 1, first=1, now=now)[0]
    for user in users:
        request, _token = intake.open_request(
            subject=user.subject,
            kind=Request.Kind.ACCESS,
            actor=person(user.subject_id),
            now=now,
        )
        review.approve(request_id=request.pk, reviewer=reviewer, now=now)
    return {"rows": sessions + 10 + 2 * 10 + 4}


def opened(*, mark: str, now: datetime) -> Facts:
    """Decrypts the packages there are: for each, whether it is the archive its row speaks of."""
    found = []
    for package in Package.objects.filter(subject_id__in=_ids(mark)):
        digest, archive = hashlib.sha256(), io.BytesIO()
        with store.read(package.name) as file:
            for piece in vault.read(file, vault.unwrap(bytes(package.key or b""))):
                digest.update(piece)
                archive.write(piece)
        whole = zipfile.ZipFile(archive).testzip() is None
        found.append([whole, digest.hexdigest() == package.sha256])
    return {"packages": found}


def _ids(mark: str) -> list[UUID]:
    return [identity(mark, number) for number in range(1_000)]


def children(*, mark: str, people: int, sessions: int, now: datetime) -> Facts:
    """People who turned out to be children, whose time to contest is over in a moment."""
    users = _people(mark, people, now=now)
    _belongings(mark, people, sessions=0, messages=0, choices=5, now=now)
    for user in users:
        learn_birth_date(
            subject=user.subject,
            born_on=now.date() - timedelta(days=10 * 365),
            source=AgeVerdict.Source.OTHER,
            actor=SYSTEM,
            now=now,
        )
    # Learning ended the log-ins there were; these stand for rows that came meanwhile.
    _sessions(mark, people, each=sessions, now=now)
    ids = [user.subject_id for user in users]
    ChildCase.objects.filter(subject__in=ids).update(contest_until=now + CONTEST)
    return {
        "accounts.account": 1,
        "accounts.age": 1,
        "accounts.email_address": 1,
        "accounts.session": sessions,
        "consent.choice": 5,
        "datamap.subject": 1,
        "consent.mail": 0,
    }


def sweep(*, mark: str, sessions: int, messages: int, links: int, now: datetime) -> Facts:
    """Rows past their period in three tables, and the sweep is due."""
    _ends(
        mark,
        sessions,
        messages=messages,
        links=links,
        expired=now - timedelta(days=40),
        ended=now - timedelta(days=390),
    )
    _execute("UPDATE retention_tick SET due_at = %s WHERE name = 'retention.sweep'", now)
    return {"accounts.session": sessions, "consent.mail": messages, "requests.link": links}


def letters(*, mark: str, people: int, now: datetime) -> Facts:
    """News for people, of whom every third refused it, and a letter about everybody's account."""
    found: dict[str, list[str]] = {"account": [], "voluntary": [], "refused": []}
    for number, user in enumerate(_people(mark, people, now=now)):
        refuses = number % 3 == 0
        if refuses:
            ledger.say_no(
                subject_id=user.subject_id,
                kind="mail",
                key=NEWS,
                shown=Shown("No news", surface="choices"),
                actor=person(user.subject_id),
                now=now,
            )
        for category, kind in (("account", "account"), (NEWS, "refused" if refuses else NEWS)):
            message = mail.post(
                category=category,
                template="news",
                context={"title": f"News {mark}", "name": user.first_name},
                address=user.email,
                subject_id=user.subject_id,
                now=now,
            )
            found["voluntary" if kind == NEWS else kind].append(message.message_id)
    return found


def visitors(*, mark: str, people: int, now: datetime) -> Facts:
    """People who are signed in and have just proved that they are themselves: their cookies."""
    proof = {"method": "password", "at": time.time()}
    return {"cookies": [_signed_in(user, proof) for user in _people(mark, people, now=now)]}


def reviewer(*, mark: str, now: datetime) -> Facts:
    """A member of staff who is signed in with the second factor."""
    (user,) = _people(mark, 1, now=now)
    appoint(user=user, role=Role.REVIEWER, actor=SYSTEM, now=now)
    ends = now + timedelta(days=1)
    sign(user=user, words="I keep it secret.", until=ends, now=now)
    record_training(
        user=user, course="Data protection", done_at=now, until=ends, actor=SYSTEM, now=now
    )
    set_authenticator_secret(user=user, secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    return {"cookie": _signed_in(user, {"method": "mfa", "type": "totp", "at": time.time()})}


def _signed_in(user: User, proof: dict[str, Any]) -> str | None:
    """The cookie of a browser in which this user has just proved to be themselves."""
    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = BACKEND
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store["account_authentication_methods"] = [proof]
    store["account_authentication_methods_user"] = str(user.pk)
    store.create()
    return store.session_key


def _people(mark: str, count: int, *, first: int = 0, now: datetime) -> list[User]:
    """Confirmed members whose keys, names and addresses begin with the mark."""
    joined = now - timedelta(days=30)
    digest = current.fresh(now).digest
    subjects = Subject.objects.bulk_create(
        Subject(id=identity(mark, n), email=address(mark, n), created_at=joined)
        for n in range(first, first + count)
    )
    nobody_knows = make_password(None)
    users = User.objects.bulk_create(
        User(
            id=identity(mark, n, 1),
            subject=subject,
            email=address(mark, n),
            first_name=f"Name-{mark}-{n}",
            last_name="Example",
            password=nobody_knows,
            date_joined=joined,
        )
        for n, subject in enumerate(subjects, first)
    )
    EmailAddress.objects.bulk_create(
        EmailAddress(user=user, email=user.email, verified=True, primary=True) for user in users
    )
    AgeVerdict.objects.bulk_create(
        AgeVerdict(
            id=identity(mark, n, 2),
            subject=subject,
            born_on=date(1990, 5, 17),
            passed_at=joined,
            youngest=13,
            minor=False,
            policy_digest=digest,
        )
        for n, subject in enumerate(subjects, first)
    )
    return users


def _belongings(
    mark: str, people: int, *, sessions: int, messages: int, choices: int, now: datetime
) -> None:
    """Log-ins, sent mail and choices of each of these people."""
    digest = current.fresh(now).digest
    shown = words.store(text="May we?", locale="en")
    _sessions(mark, people, each=sessions, now=now)
    Message.objects.bulk_create(
        Message(
            id=identity(mark, n * 10_000 + i, 3),
            subject_id=identity(mark, n),
            category="account",
            template="news",
            template_digest="0" * 64,
            language="en",
            policy_digest=digest,
            state="sent",
            address_hash=f"{mark}-{n}",
            message_id=f"<{mark}-{n}-{i}@example.com>",
            token_hash=f"{mark}-{n}-{i}",
            posted_at=now - timedelta(days=3),
            due_at=now - timedelta(days=3),
            sent_at=now - timedelta(days=3),
            ended_at=now - timedelta(days=3),
        )
        for n in range(people)
        for i in range(messages)
    )
    about = [
        (n, i, identity(mark, n * 10_000 + i, 4)) for n in range(people) for i in range(choices)
    ]
    then = {"kind": "purpose", "decision": "given"}
    Event.objects.bulk_create(
        Event(
            id=key,
            subject_id=identity(mark, n),
            key=f"purpose-{i}",
            policy_digest=digest,
            words=shown,
            surface="choices",
            locale="en",
            channel="web",
            at=now - timedelta(days=3),
            **then,
        )
        for n, i, key in about
    )
    Choice.objects.bulk_create(
        Choice(
            id=identity(mark, n * 10_000 + i, 5),
            subject_id=identity(mark, n),
            key=f"purpose-{i}",
            event_id=key,
            since=now - timedelta(days=3),
            **then,
        )
        for n, i, key in about
    )


def _sessions(mark: str, people: int, *, each: int, now: datetime) -> None:
    _execute(
        "INSERT INTO accounts_session (session_key, session_data, expire_date, user_id, handle,"
        " persistent, created_at)"
        " SELECT format('%%s-%%s-%%s', %s, n, i), %s, %s,"
        " format(%s, lpad(to_hex(n), 8, '0'))::uuid,"
        " format('%%s%%s-%%s', %s, n, i), false, %s"
        " FROM generate_series(0, %s) n, generate_series(1, %s) i",
        mark,
        SessionStore().encode({}),
        now + timedelta(days=9),
        f"{mark}-0000-4000-8000-0001%s",
        mark,
        now,
        people - 1,
        each,
    )


def _ends(
    mark: str,
    sessions: int,
    *,
    messages: int = 500,
    links: int = 500,
    expired: datetime,
    ended: datetime,
) -> None:
    """Rows that are nobody's, of three tables with a period, by their clocks."""
    began = expired - timedelta(days=14)
    _execute(
        "INSERT INTO accounts_session"
        " (session_key, session_data, expire_date, handle, persistent, created_at)"
        " SELECT %s || '+' || i, %s, %s + i * interval '1 second', %s || '+' || i, false, %s"
        " FROM generate_series(1, %s) i",
        *(mark, SessionStore().encode({}), expired, mark, began, sessions),
    )
    _execute(
        "INSERT INTO consent_message (id, category, template, template_digest, language,"
        " policy_digest, state, address_hash, message_id, token_hash, attempts, failure,"
        " posted_at, due_at, sent_at, ended_at)"
        " SELECT gen_random_uuid(), 'account', 'news', '', 'en', '', 'sent', %s,"
        " %s || '+' || i, %s || '+' || i, 1, '', %s, %s, %s, %s + i * interval '1 second'"
        " FROM generate_series(1, %s) i",
        *(mark, mark, mark, ended, ended, ended, ended, messages),
    )
    _execute(
        "INSERT INTO requests_statuslink (id, token_hash, created_at, expires_at)"
        " SELECT gen_random_uuid(), %s || '+' || i, %s, %s + i * interval '1 second'"
        " FROM generate_series(1, %s) i",
        *(mark, began, expired, links),
    )


def _execute(statement: str, *values: str | int | datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
