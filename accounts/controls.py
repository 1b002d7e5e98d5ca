"""What keeps this room's promises, and how each is checked on live data.

Ages are reckoned by Postgres, not by `accounts.age`, which enforces: a mistake there must show
here. All questions about accounts are asked as sets, one per span of a policy version.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models import (
    Count,
    DateTimeField,
    Exists,
    Expression,
    F,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Value,
)
from django.db.models.functions import Cast, Coalesce, TruncDate
from django.utils.translation import gettext_lazy as _
from psycopg import sql

from accounts import probes
from accounts.models import AgeVerdict, Session, User
from audit.control import Control, Finding, Sort, declare
from audit.models import AuditEntry
from consent.models import Event
from policy.document import Document
from policy.eras import Era, eras

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
LONGEST_STAY = timedelta(days=14, minutes=5)  # what the log-in page says, and a moment
UNPACKED = 1000
# Argon2id, or the mark of an account without a password.
HASHED = r"^(argon2\$argon2id\$v=19\$m=[0-9]+,t=[0-9]+,p=[0-9]+\$[^$]+\$[^$]+|!.*)$"


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


def staying(now: datetime) -> Finding:
    """Every log-in that outlives its browser was asked for in a log entry of its own, by the same
    person, before; none lasts longer than asked; and the cookie is nothing but random (WC-4).

    Which log-ins outlive the browser is read from their own data, not only from the column that
    says so; from that of the newest thousand, for it has to be unpacked one by one.
    """
    rows = Session.objects.filter(persistent=True, expire_date__gt=now)
    violations = [
        f"not asked:{handle}" for handle in rows.filter(~_asked()).values_list("handle", flat=True)
    ]
    twice = rows.values("asked_id").annotate(n=Count("pk")).filter(n__gt=1).order_by()
    violations += [
        f"asked once for several:{asked}" for asked in twice.values_list("asked_id", flat=True)
    ]
    silent = Session.objects.filter(persistent=False, expire_date__gt=now, user__isnull=False)
    for session in silent.order_by("-created_at")[:UNPACKED]:
        if session.get_decoded().get("_session_expiry"):
            violations.append(f"not asked:{session.handle}")
    checked = rows.count() + min(silent.count(), UNPACKED)
    violations += [f"cookie: {wrong}" for wrong in probes.cookie_of_staying(now=now)]
    return Finding.of(checked=checked + 1, violations=violations)


def age_screen(now: datetime) -> Finding:
    """Every account has an earlier passing verdict, computed anew from the date it holds; and a
    refused browser gets no second try (WC-14).
    """
    found: list[object] = list(_before_any_policy(now))
    for era in eras(now):
        accounts = _with_ages(era, now).filter(_without_a_verdict(era.document))
        found += accounts.values_list("pk", flat=True)
    checked = User.objects.count()
    second_try = probes.second_try_after_refusal(now=now)
    if second_try != "refused":
        found.append(f"second try: {second_try}")
    return Finding.of(checked=checked + 1, violations=found)


def minors_advice(now: datetime) -> Finding:
    """Whoever was a minor on opening the account saw the advice before, or when a correction told
    us (WC-16), and has private defaults as long as they are one. Locked children are WC-15's.
    """
    told = Event.objects.filter(
        subject=OuterRef("subject"), kind="notice", key="minors-advice", decision="shown"
    )
    found: list[UUID] = []
    checked = 0
    for era in eras(now):
        age = era.document.age
        minors = _with_ages(era, now).filter(Q(age_on_joining__lt=age.minor_until))
        checked += minors.count()
        if age.minors_advice:
            by = Coalesce("subject__age_verdict__corrected_at", "date_joined")
            in_time = Exists(told.filter(at__lte=OuterRef("advice_due")))
            silent = minors.annotate(advice_due=by).filter(~in_time, subject__locked=False)
            found += silent.values_list("pk", flat=True)
    found += _minors_without_defaults(now)
    return Finding.of(checked=checked, violations=dict.fromkeys(found))


def password_hashes(now: datetime) -> Finding:
    """Every password is a hash of the strong kind (CC-18)."""
    wrong = User.objects.exclude(password__regex=HASHED).values_list("pk", flat=True)
    return Finding.of(checked=User.objects.count(), violations=wrong)


def _asked() -> Exists:
    """A session's own entry in the log, by its owner, not after it began, for as long as it is."""
    entries = AuditEntry.objects.filter(
        pk=OuterRef("asked_id"),
        verb="accounts.stay-signed-in",
        actor_kind="person",
        subject_id=OuterRef("user__subject_id"),
        at__gte=OuterRef("expire_date") - LONGEST_STAY,
    )
    return Exists(entries)


def _before_any_policy(now: datetime) -> QuerySet[User, UUID]:
    """Accounts opened when no version was in force: nothing can show that they were allowed."""
    users = User.objects.all()
    if known := eras(now):
        users = users.filter(date_joined__lt=known[0].since)
    return users.values_list("pk", flat=True)


def _opened_in(era: Era) -> Q:
    span = Q(date_joined__gte=era.since)
    return span & Q(date_joined__lt=era.until) if era.until else span


def _filled(column: str, era: Era) -> Iterable[UUID]:
    """Accounts of the era in which a column has a value; by its name in the database."""
    field = next((f for f in User._meta.concrete_fields if f.column == column), None)
    if field is not None:
        empty = Q(**{f"{field.name}__isnull": True}) | Q(**{field.name: ""})
        return User.objects.filter(_opened_in(era)).exclude(empty).values_list("pk", flat=True)
    # A column our models do not know: whatever is in it was not foreseen.
    query = sql.SQL(
        "SELECT id FROM {} WHERE {} IS NOT NULL AND date_joined >= %s"
        " AND date_joined < coalesce(%s, 'infinity'::timestamptz)"
    ).format(sql.Identifier(User._meta.db_table), sql.Identifier(column))
    with connection.cursor() as cursor:
        cursor.execute(query.as_string(None), [era.since, era.until])
        return [row[0] for row in cursor.fetchall()]


def _with_ages(era: Era, now: datetime) -> QuerySet[User]:
    """Accounts of the era with completed years at three instants, none without a birth date."""
    zone = era.document.zone
    passed_on = TruncDate("subject__age_verdict__passed_at", tzinfo=zone)
    return User.objects.filter(_opened_in(era)).annotate(
        age_on_passing=_completed_years(passed_on, "subject__age_verdict__born_on"),
        age_on_joining=_completed_years(
            TruncDate("date_joined", tzinfo=zone), "subject__age_verdict__born_on"
        ),
        age_now=_completed_years(Value(_day(era, now)), "subject__age_verdict__born_on"),
    )


def _completed_years(day: Expression, born_on: str) -> Func:
    """Completed years on that day; Postgres counts 29 February from 1 March in common years."""
    return Func(
        Cast(day, DateTimeField()),
        Cast(born_on, DateTimeField()),
        template="date_part('year', age(%(expressions)s))::int",
        output_field=IntegerField(),
    )


def _day(era: Era, now: datetime) -> date:
    return now.astimezone(era.document.zone).date()


def _without_a_verdict(document: Document) -> Q:
    """Accounts that may not exist, by their dates alone.

    A date corrected later no longer tells what the screen was told. Then it must not make a child
    of somebody who is not locked.
    """
    verdict, age = "subject__age_verdict", document.age
    corrected = Q(**{f"{verdict}__corrected_at__isnull": False})
    unpassed = Q(**{f"{verdict}__passed_at__isnull": True})
    free_child = corrected & Q(age_now__lt=age.youngest or age.child_under, subject__locked=False)
    if age.youngest is None:
        return free_child
    late = Q(**{f"{verdict}__passed_at__gte": F("date_joined")})
    as_told = Q(**{f"{verdict}__corrected_at__isnull": True})
    return free_child | unpassed | as_told & (late | Q(age_on_passing__lt=age.youngest))


def _minors_without_defaults(now: datetime) -> Iterable[UUID]:
    """Minors of today who are not marked as such, in an account or not."""
    known = eras(now)
    if not known:
        return []
    verdicts = AgeVerdict.objects.filter(subject__minor=False, subject__erased_at=None)
    years = _completed_years(Value(_day(known[-1], now)), "born_on")
    minors = verdicts.annotate(age_now=years).filter(age_now__lt=known[-1].document.age.minor_until)
    return minors.values_list("subject_id", flat=True)


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
        key="accounts.staying",
        sentence=_("Only who asked for it stays signed in, and the cookie is a random number."),
        how=_(
            "Each log-in that outlives its browser must name an entry of the log in which the same "
            "person asked for it. Then we log in as a browser does, ask to stay, and look for "
            "name, address and password in the cookie, plain and in the usual disguises."
        ),
        sort=Sort.PROBE,
        check=staying,
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
