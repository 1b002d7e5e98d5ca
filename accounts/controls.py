"""What keeps this room's promises, and how each is checked on live data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Min, Q
from django.utils.translation import gettext_lazy as _
from psycopg import sql

from accounts import probes
from accounts.age import age_on, limit, today
from accounts.models import AgeVerdict, User
from audit.control import Control, Finding, Sort, declare
from consent.models import Event
from datamap.models import Subject
from policy.models import PolicyVersion

# Columns of the account's table that no form fills; everything else must be in the policy.
MADE_BY_THE_SITE = frozenset(
    {
        "id",
        "subject_id",
        "is_active",
        "is_staff",
        "is_superuser",
        "date_joined",
        "unconfirmed_since",
        "last_login",
    }
)
# Argon2id, or the mark of an account without a password.
HASHED = r"^(argon2\$argon2id\$v=19\$m=[0-9]+,t=[0-9]+,p=[0-9]+\$[^$]+\$[^$]+|!.*)$"


@dataclass(frozen=True)
class Era:
    """A version and the span in which it was in force; `until` is empty for the present one."""

    version: PolicyVersion
    since: datetime
    until: datetime | None

    @property
    def accounts(self) -> Q:
        """Accounts opened in this span."""
        span = Q(date_joined__gte=self.since)
        return span & Q(date_joined__lt=self.until) if self.until else span


def eras(now: datetime) -> list[Era]:
    """Which version was in force when; a later publication ends those that still waited."""
    chosen: list[PolicyVersion] = []
    for version in PolicyVersion.objects.filter(effective_at__lte=now).order_by("-number"):
        if not chosen or version.effective_at < chosen[-1].effective_at:
            chosen.append(version)
    chosen.reverse()
    spans = [Era(a, a.effective_at, b.effective_at) for a, b in pairwise(chosen)]
    return [*spans, *(Era(v, v.effective_at, None) for v in chosen[-1:])]


def signup_fields(now: datetime) -> Finding:
    """Columns filled in the account's table ⊆ what the policy of its day names (WC-1)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s",
            [User._meta.db_table],
        )
        columns = {row[0] for row in cursor.fetchall()} - MADE_BY_THE_SITE
    found: list[UUID] = list(_before_any_policy(now))
    for era in eras(now):
        point = era.version.document.collection_point("signup")
        named = {*point.required, *point.optional} if point else set()
        for column in sorted(columns):
            if f"accounts.account.{column}" not in named:
                found += _filled(column, era)
    return Finding.of(checked=User.objects.count(), violations=sorted(set(found)))


def session_cookie(now: datetime) -> Finding:
    """A log-in as a browser sees it: its cookie has no date at which it would end (WC-3)."""
    cookie = probes.cookie_of_a_log_in(now=now)
    wrong = [name for name in ("max-age", "expires") if cookie is None or cookie[name]]
    return Finding.of(checked=1, violations=wrong)


def age_screen(now: datetime) -> Finding:
    """Every account has an earlier passing verdict, computed anew from the date it holds; and a
    refused browser gets no second try (WC-14).
    """
    found: list[object] = list(_before_any_policy(now))
    checked = 0
    for era in eras(now):
        for account in _verdicts(era):
            checked += 1
            if not _passed(account, era, now):
                found.append(account["pk"])
    second_try = probes.second_try_after_refusal(now=now)
    if second_try != "refused":
        found.append(f"second try: {second_try}")
    return Finding.of(checked=checked + 1, violations=found)


def minors_advice(now: datetime) -> Finding:
    """Whoever was a minor on opening the account saw the advice before, or when a correction told
    us (WC-16), and has private defaults as long as they are one. Locked children are WC-15's.
    """
    advised: dict[UUID, datetime] = dict(
        Event.objects.filter(kind="notice", key="minors-advice", decision="shown")
        .values_list("subject_id")
        .annotate(first=Min("at"))
    )
    found: list[object] = []
    checked = 0
    for era in eras(now):
        document = era.version.document
        for account in _verdicts(era, born=True):
            joined_at = today(document, account["date_joined"])
            if age_on(account["born_on"], joined_at) >= document.age.minor_until:
                continue
            checked += 1
            told = advised.get(account["subject_id"])
            by = account["corrected_at"] or account["date_joined"]
            late = told is None or told > by
            if document.age.minors_advice and late and not account["locked"]:
                found.append(account["pk"])
    found += _minors_without_defaults(now)
    return Finding.of(checked=checked, violations=list(dict.fromkeys(map(str, found))))


def password_hashes(now: datetime) -> Finding:
    """Every password is a hash of the strong kind (CC-18)."""
    wrong = User.objects.exclude(password__regex=HASHED).values_list("pk", flat=True)
    return Finding.of(checked=User.objects.count(), violations=wrong)


def _before_any_policy(now: datetime) -> Iterator[UUID]:
    """Accounts opened when no version was in force: nothing can show that they were allowed."""
    known = eras(now)
    users = User.objects.all()
    if known:
        users = users.filter(date_joined__lt=known[0].since)
    return iter(users.values_list("pk", flat=True))


def _filled(column: str, era: Era) -> list[UUID]:
    """Accounts of the era in which a column has a value; by its name in the database."""
    users = User.objects.filter(era.accounts)
    field = next((f for f in User._meta.concrete_fields if f.column == column), None)
    if field is not None:
        empty = Q(**{f"{field.name}__isnull": True}) | Q(**{field.name: ""})
        return list(users.exclude(empty).values_list("pk", flat=True))
    # A column our models do not know: whatever is in it was not foreseen.
    query = sql.SQL("SELECT id FROM {} WHERE {} IS NOT NULL").format(
        sql.Identifier(User._meta.db_table), sql.Identifier(column)
    )
    with connection.cursor() as cursor:
        cursor.execute(query.as_string(None))
        strange = {row[0] for row in cursor.fetchall()}
    return [pk for pk in users.values_list("pk", flat=True) if pk in strange]


def _verdicts(era: Era, *, born: bool = False) -> Iterator[dict[str, Any]]:
    """Accounts of an era with what is held about their age, streamed."""
    users = User.objects.filter(era.accounts)
    if born:
        users = users.filter(subject__age_verdict__isnull=False)
    rows = users.values(
        "pk",
        "subject_id",
        "date_joined",
        "subject__locked",
        "subject__age_verdict__born_on",
        "subject__age_verdict__passed_at",
        "subject__age_verdict__corrected_at",
    )
    for row in rows.iterator(chunk_size=2000):
        yield {name.rpartition("__")[2]: value for name, value in row.items()}


def _passed(account: dict[str, Any], era: Era, now: datetime) -> bool:
    """Whether the account may exist, by arithmetic on its dates alone.

    A date corrected later no longer tells what the screen was told. Then it must not make a child
    of somebody who is not locked.
    """
    document = era.version.document
    born: date | None = account["born_on"]
    if account["corrected_at"] is not None and born is not None:
        grown = age_on(born, today(document, now)) >= limit(document.age)
        if not (grown or account["locked"]):
            return False
        return document.age.youngest is None or account["passed_at"] is not None
    if document.age.youngest is None:
        return True
    passed_at: datetime | None = account["passed_at"]
    if born is None or passed_at is None or passed_at >= account["date_joined"]:
        return False
    return age_on(born, today(document, passed_at)) >= document.age.youngest


def _minors_without_defaults(now: datetime) -> list[UUID]:
    known = eras(now)
    if not known:
        return []
    document = known[-1].version.document
    unmarked = AgeVerdict.objects.filter(
        subject__in=Subject.objects.filter(minor=False, erased_at=None)
    )
    day = today(document, now)
    return [
        subject_id
        for subject_id, born in unmarked.values_list("subject_id", "born_on").iterator()
        if age_on(born, day) < document.age.minor_until
    ]


declare(
    Control(
        key="accounts.signup-fields",
        sentence=_("Signing up fills in nothing but what the policy names for it."),
        how=_("Every column of every account is compared with the policy of the day it opened."),
        sort=Sort.QUERY,
        check=signup_fields,
    ),
    Control(
        key="accounts.session-cookie",
        sentence=_("The log-in cookie ends with the browser."),
        how=_("We log in as a browser does and read the cookie as sent. Nothing of it stays."),
        sort=Sort.PROBE,
        check=session_cookie,
    ),
    Control(
        key="accounts.age-screen",
        sentence=_("Nobody below the youngest age gets an account."),
        how=_(
            "For every account the age is computed anew from its date and the time of the answer; "
            "none is a violation. Then we let a browser be refused and try again."
        ),
        sort=Sort.PROBE,
        check=age_screen,
    ),
    Control(
        key="accounts.minors-advice",
        sentence=_("Minors are advised to ask a parent before anything else."),
        how=_("For every account of a minor the notice must be older than the account."),
        sort=Sort.QUERY,
        check=minors_advice,
    ),
    Control(
        key="accounts.password-hashes",
        sentence=_("Passwords are stored only as strong hashes."),
        how=_("The form of every stored password is looked at in the database."),
        sort=Sort.QUERY,
        check=password_hashes,
    ),
)
