"""Nobody too young has an account, and minors were advised.

Ages are reckoned by Postgres, not by `accounts.age`, which enforces: a mistake there must show
here. All questions about accounts are asked as sets, one per span of a policy version.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from django.db.models import (
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
from django.db.models.functions import Cast, Coalesce, Greatest, TruncDate
from django.utils.translation import gettext_lazy as _

from accounts.controls import guardians, probes
from accounts.controls.spans import before_any_policy, opened_in
from accounts.models import AgeVerdict, User
from audit.control import Control, Finding, Sort, declare
from audit.models import AuditEntry
from consent.models import Event
from policy.document import Document
from policy.eras import Era, eras


def age_screen(now: datetime) -> Finding:
    """Every account has an earlier passing verdict, computed anew from the date it holds; and a
    refused browser gets no second try (WC-14).
    """
    found: list[object] = list(before_any_policy(now))
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
    us (WC-16), and has private defaults until they end them themselves, being of age. Locked
    children are WC-15's; one whose parent agreed got the advice when that was verified.
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
            learnt = Coalesce("subject__age_verdict__corrected_at", "date_joined")
            by = Greatest(learnt, guardians.verified_at("subject"))
            in_time = Exists(told.filter(at__lte=OuterRef("advice_due")))
            silent = minors.annotate(advice_due=by).filter(~in_time, subject__locked=False)
            found += silent.values_list("pk", flat=True)
    found += _minors_without_defaults(now)
    found += _grown_without_asking()
    return Finding.of(checked=checked, violations=dict.fromkeys(found))


def _with_ages(era: Era, now: datetime) -> QuerySet[User]:
    """Accounts of the era with completed years at three instants, none without a birth date."""
    zone = era.document.zone
    passed_on = TruncDate("subject__age_verdict__passed_at", tzinfo=zone)
    return User.objects.filter(opened_in(era)).annotate(
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
    free_child: Q = corrected & Q(
        age_now__lt=age.youngest or age.child_under, subject__locked=False
    )
    if age.parental_consent:
        free_child &= Q(~guardians.has_consent("subject"))
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


def _grown_without_asking() -> Iterable[UUID]:
    """People who came of age and lost their private defaults by no act of their own."""
    own_act = AuditEntry.objects.filter(
        verb="accounts.careful-settings-ended",
        actor_kind="person",
        actor_id=OuterRef("subject_id"),
        subject_id=OuterRef("subject_id"),
        at__gte=OuterRef("grown_at"),
    )
    grown = AgeVerdict.objects.filter(grown_at__isnull=False, subject__minor=False)
    living = grown.filter(subject__erased_at=None)
    return living.filter(~Exists(own_act)).values_list("subject_id", flat=True)


declare(
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
        how=_(
            "For every account of a minor the notice must be older than the account. Who came of "
            "age has a minor's settings until the log shows that they ended them themselves."
        ),
        sort=Sort.QUERY,
        check=minors_advice,
    ),
)
