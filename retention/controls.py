"""How this room's promises are checked: by questions of their own, never by the enforcing code.

None of this uses the sweep's own queries: periods are reckoned from the published files. What lasts
is checked in `retention.lasting_controls`, what happens to a child's data in
`retention.child_controls`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.control import Control, Finding, Sort, declare
from datamap import registry
from datamap.holding import Erasing, Holding
from datamap.models import Subject
from policy.document import Document, RetentionRule
from policy.eras import eras
from retention.child_controls import children_locked_and_gone
from retention.lasting_controls import rows_that_last

GRACE = timedelta(days=2)  # the sweep runs daily; a day may be lost
MOST = 1000  # violations named per question


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
        key="retention.lasting",
        sentence=_("What is yours stays as long as your account, unless it ends by a stated rule."),
        how=_(
            "The database itself counts rows that come and go, and whose they are. We compare "
            "these counts with the rows that are there, and look for the reason of every row that "
            "went: your own request, approved; a child's account; an account never confirmed; or "
            "a period of the published policy that was over, by the row's own date."
        ),
        sort=Sort.QUERY,
        check=rows_that_last,
    ),
    Control(
        key="retention.children",
        sentence=_("The account of a child is locked at once and its data erased."),
        how=_(
            "For every account we learnt was a child's, we compare the time the knowledge arrived "
            "with the time it was locked and the time everything was gone, as the log noted them. "
            "We look for accounts whose birth date says child, for children still logged in, and "
            "for thirty days search every column of the database for what may be left."
        ),
        sort=Sort.QUERY,
        check=children_locked_and_gone,
    ),
)
