"""How this room's promises are checked: by questions of their own, never by the enforcing code.

None of this uses the sweep's, the erasure's or the cases' own queries: periods are reckoned from
the published files, ages from birth dates, and what is left of an erased child is looked for as
text in the tables themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db import connection, models
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _
from psycopg import sql

from accounts.models import AgeVerdict, User
from audit.control import Control, Finding, Sort, declare
from audit.models import AuditEntry
from datamap import registry
from datamap.holding import Erasing, Holding
from datamap.models import Subject
from policy.document import Document, RetentionRule
from policy.eras import Era, eras
from retention.models import ChildCase

GRACE = timedelta(days=2)  # the sweep runs daily; a day may be lost
MOST = 1000  # violations named per question
SEARCHED = timedelta(days=30)  # erased children are looked for this long


def nothing_past_its_period(now: datetime) -> Finding:
    """Rows past the end that binds them by more than the grace; rows that would never end."""
    known = eras(now)
    violations: list[str] = []
    questions = 0
    for place, era in enumerate(known):
        later = [e for e in known[place + 1 :] if e.version.older_data_at <= now - GRACE]
        for binding in (era, *later):
            for rule in binding.document.retention:
                questions += 1
                begins = era.since if place else None
                rows = _overdue(rule, binding.document, begins=begins, ends=era.until, now=now)
                violations += _ids(rule.holding, rows)
    for holding in registry.holdings():
        if known and holding.subject:
            questions += 1
            violations += _ids(holding.key, _without_end(holding, known[-1].document, now))
    return Finding.of(
        checked=questions, violations=dict.fromkeys(violations), grace_days=GRACE.days
    )


def children_locked_and_gone(now: datetime) -> Finding:
    """From the arrival of the knowledge to locked, and to gone, within the policy's limits."""
    known = eras(now)
    if not known:
        return Finding.of(checked=0, violations=["no policy"])
    violations: list[str] = []
    gone: list[UUID] = []
    checked, slowest = 0, timedelta(0)
    for case in ChildCase.objects.select_related("subject").iterator(chunk_size=2000):
        checked += 1
        slowest = max(slowest, case.locked_at - case.arrived_at)
        violations += [
            f"{why}:{case.pk}" for why in _late(case, _document_at(known, case.learned_at), now)
        ]
        if _gone_lately(case, now):
            gone.append(case.subject_id)
    violations += [f"no case:{s}" for s in _known_without_a_case()]
    violations += [f"not locked:{s}" for s in _unlocked_children(known[-1].document, now)]
    violations += [f"found in {place}" for place in _traces(gone)]
    return Finding.of(
        checked=checked,
        violations=violations,
        slowest_lock_seconds=round(slowest.total_seconds()),
    )


def _overdue(
    rule: RetentionRule,
    document: Document,
    *,
    begins: datetime | None,
    ends: datetime | None,
    now: datetime,
) -> QuerySet[Any]:
    holding = registry.holding(rule.holding)
    clock = holding.clocks[rule.clock]
    limit = rule.period.last_start(now - GRACE, zone=document.zone, holidays=document.site.holidays)
    rows = _personal(holding).filter(**{f"{clock}__lte": limit}, **holding.due)
    if begins is not None:
        rows = rows.filter(**{f"{clock}__gte": begins})
    if ends is not None:
        rows = rows.filter(**{f"{clock}__lt": ends})
    if rule.action == "erase" and holding.spare:
        rows = rows.exclude(**holding.spare)
    return rows


def _without_end(holding: Holding, document: Document, now: datetime) -> QuerySet[Any]:
    """Rows about people without an account that no rule will ever end."""
    clocks = [holding.clocks[r.clock] for r in document.rules_for(holding.key)]
    owner = OuterRef(holding.subject)
    rows = _personal(holding).filter(**{f"{holding.subject}__isnull": False})
    if clocks:
        # An open process has no clock yet; once its person is erased, it must have one.
        erased = Subject.objects.filter(pk=owner, erased_at__lte=now - GRACE)
        return rows.filter(Exists(erased), **{f"{c}__isnull": True for c in clocks})
    if _ends_with_another(holding.model_class, document):
        return rows.none()
    return rows.filter(~Exists(User.objects.filter(subject=owner)))


def _ends_with_another(model: type[models.Model], document: Document) -> bool:
    """Whether the table hangs, by CASCADE, on one whose rows end by a rule."""
    ruled = {registry.holding(r.holding).model_class for r in document.retention}
    waiting, seen = [model], {model}
    while waiting:
        for field in waiting.pop()._meta.concrete_fields:
            remote: Any = field.remote_field
            if remote is None or remote.on_delete is not models.CASCADE:
                continue
            if remote.model in ruled:
                return True
            if remote.model not in seen:
                seen.add(remote.model)
                waiting.append(remote.model)
    return False


def _personal(holding: Holding) -> QuerySet[Any]:
    """Rows that still say something about somebody: those already made anonymous do not count."""
    rows = holding.rows()
    if holding.key == "audit.entry":
        return rows.exclude(facts={"expired": True})
    if holding.erasing is not Erasing.ANONYMISE:
        return rows
    personal = {p.name for p in holding.personal}
    said = [
        ~Q(**({f"{name}__isnull": True} if value is None else {name: value}))
        for name, value in holding.blank.items()
        if name in personal and not callable(value)
    ]
    return rows.filter(reduce(or_, said)) if said else rows


def _ids(key: str, rows: QuerySet[Any]) -> Iterator[str]:
    return (f"{key}:{pk}" for pk in rows.order_by().values_list("pk", flat=True)[:MOST])


def _document_at(known: list[Era], at: datetime) -> Document:
    return next((era for era in reversed(known) if era.since <= at), known[0]).document


def _late(case: ChildCase, document: Document, now: datetime) -> Iterator[str]:
    zone, holidays, age = document.zone, document.site.holidays, document.age
    if case.locked_at > age.lock_within.after(case.arrived_at, zone=zone, holidays=holidays):
        yield "locked late"
    open_case = case.state in ChildCase.OPEN
    if open_case and not case.subject.locked:
        yield "open again"
    window = age.contest.after(case.learned_at, zone=zone, holidays=holidays)
    limit = age.erase_within.after(window, zone=zone, holidays=holidays)
    gone = case.subject.erased_at
    if case.state != ChildCase.State.RELEASED and (gone or now) > limit:
        yield "erased late"
    if case.state == ChildCase.State.ERASED and gone is None:
        yield "not erased"
    if case.state == ChildCase.State.RELEASED and (
        case.ground == ChildCase.Ground.PARENT and not age.parental_consent
    ):
        yield "released without a way to"


def _known_without_a_case() -> QuerySet[Any, Any]:
    """People of whom the log says that we learnt of a child, and nothing followed."""
    cases = ChildCase.objects.filter(subject_id=OuterRef("subject_id"))
    learned = AuditEntry.objects.filter(verb="accounts.child-learned", subject_id__isnull=False)
    return learned.filter(~Exists(cases)).values_list("subject_id", flat=True).distinct()


def _unlocked_children(document: Document, now: datetime) -> QuerySet[Any, Any]:
    """People whose birth date says child and who are not locked; a parent's consent excepted."""
    youngest = document.age.youngest or document.age.child_under
    today = now.astimezone(document.zone).date()
    # Somebody born on 29 February comes of age on 1 March in other years.
    try:
        newest = today.replace(year=today.year - youngest)
    except ValueError:
        newest = today.replace(year=today.year - youngest, day=28)
    agreed = ChildCase.objects.filter(
        subject_id=OuterRef("subject_id"),
        state=ChildCase.State.RELEASED,
        ground=ChildCase.Ground.PARENT,
    )
    return AgeVerdict.objects.filter(
        ~Exists(agreed), born_on__gt=newest, subject__locked=False
    ).values_list("subject_id", flat=True)


def _gone_lately(case: ChildCase, now: datetime) -> bool:
    at = case.subject.erased_at
    return at is not None and at > now - SEARCHED


def _traces(subjects: list[UUID]) -> Iterator[str]:
    """Tables in whose rows, read as text, one of these ids still stands without a ground."""
    if not subjects:
        return
    patterns = [f"%{subject}%" for subject in subjects]
    kept = _tables_that_may_know()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table in kept:
                continue
            query = sql.SQL("SELECT EXISTS (SELECT FROM {} AS t WHERE t::text LIKE ANY(%s))")
            cursor.execute(query.format(sql.Identifier(table)).as_string(None), [patterns])
            row = cursor.fetchone()
            if row and row[0]:
                yield table


def _tables_that_may_know() -> set[str]:
    """Tables that keep the bare random id on a declared ground, or of rows made anonymous."""
    return {
        holding.model_class._meta.db_table
        for holding in registry.holdings()
        if holding.erasing is not Erasing.DELETE or holding.spare
    }


declare(
    Control(
        key="retention.periods",
        sentence=_("Nothing is kept past its period."),
        how=_(
            "Once a day we reckon from every published version when each kind of data ends, and "
            "count the rows that are older, two days of grace apart. Data about people without "
            "an account that no rule would ever end counts, too."
        ),
        sort=Sort.QUERY,
        check=nothing_past_its_period,
    ),
    Control(
        key="retention.children",
        sentence=_("The account of a child is locked at once and its data erased."),
        how=_(
            "For every account we learnt was a child's, we compare the time the knowledge arrived "
            "with the time it was locked and the time everything was gone, look for accounts "
            "whose birth date says child, and search every table for what may be left."
        ),
        sort=Sort.QUERY,
        check=children_locked_and_gone,
    ),
)
