"""Self-service correction: saying that one's own data is right, changing it, removing it.

What may be changed is what `accounts.correctable` finds, by the rules of its column and of the
policy: what the policy nowhere asks for is not taken, what it needs stays filled in. No value
enters the log, only that it changed (GDPR 16; PROMISES WA-15, WC-19).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model
from django.utils.translation import gettext as _

from accounts import signals
from accounts.correctable import (
    NotYours,
    field_of,
    is_filled,
    kind_of,
    may_remove,
    points_of,
    reference,
    row_of,
    rows_of,
)
from accounts.models import Confirmation
from accounts.telling import tell_changed_by_staff
from audit.log import Actor, record
from audit.models import AuditEntry
from audit.movements import Reason, because
from consent import ledger
from consent.ledger import Shown, SubjectClosed
from datamap import never_stored
from datamap.holding import Holding
from datamap.models import Subject
from datamap.registry import holding
from datamap.same_person import same_person
from policy import current
from policy.document import CollectionPoint, Document

BITE: Final = 500  # rows removed in one transaction


PERSON: Final = AuditEntry.ActorKind.PERSON


STAFF: Final = AuditEntry.ActorKind.STAFF


Said = Confirmation.Said


class NotRemovable(Exception):
    """The policy in force needs what the row holds."""


def correct(
    *,
    subject_id: UUID,
    key: str,
    ref: str,
    values: Mapping[str, Any],
    actor: Actor,
    now: datetime,
    surface: str = "correction",
    locale: str = "en",
) -> list[str]:
    """Write new values into one row of the person's; the names of the fields that changed.

    values: field → value as a form cleaned it. What equals the old value changes nothing. Staff
    who correct something have the person told, and by whom.

    Raises `NotYours`, `ValidationError` by field, `ledger.SubjectClosed`, `NoPolicy`.
    """
    with transaction.atomic():
        _open_subject(subject_id)
        kind = kind_of(key)
        row = row_of(kind, subject_id, ref, lock=True)
        document = current.fresh(now).document
        changed = _changed(kind, row, values, document)
        if not changed:
            return []
        for name, value in changed.items():
            setattr(row, name, value)
        row.full_clean(exclude={f.name for f in row._meta.fields} - changed.keys())
        row.save(update_fields=list(changed))
        if actor.kind == PERSON:
            filled = [name for name, value in changed.items() if value not in ("", None)]
            _submit(kind, filled, subject_id, document, surface, locale, actor, now)
        note_changed(subject_id=subject_id, key=key, ref=ref, names=changed, actor=actor, now=now)
    return list(changed)


def note_changed(
    *, subject_id: UUID, key: str, ref: str, names: Iterable[str], actor: Actor, now: datetime
) -> None:
    """Take down that fields were changed, wherever it was done, and tell whom it concerns: the
    log, the person when it was staff, the rooms above. In the caller's transaction.
    """
    fields = sorted(names)
    if actor.kind == PERSON:
        _note(subject_id, key, ref, fields, Said.CORRECTED, now)
    record(
        actor=actor,
        verb="accounts.data-corrected",
        now=now,
        subject_id=subject_id,
        facts={"holding": key, "fields": list(fields)},
    )
    signals.data_corrected.send(
        sender=Subject, subject_id=subject_id, holding=key, fields=fields, now=now
    )
    if actor.kind == STAFF:
        tell_changed_by_staff(subject_id=subject_id, what="data", actor=actor, now=now)


def note_corrected(*, subject_id: UUID, names: Iterable[str], now: datetime) -> None:
    """For pages of their own, which write their own entry into the log: that the owner changed
    these fields (named as the policy names them) of the one row they have in each holding.
    """
    by_holding: dict[str, list[str]] = {}
    for name in sorted(names):
        key, _dot, field = name.rpartition(".")
        by_holding.setdefault(key, []).append(field)
    for key, fields in by_holding.items():
        kind = holding(key)
        row = kind.rows_of([subject_id]).only("pk").first()
        if row is not None:
            _note(subject_id, key, reference(kind, row), fields, Said.CORRECTED, now)
        signals.data_corrected.send(
            sender=Subject, subject_id=subject_id, holding=key, fields=fields, now=now
        )


def confirm(*, subject_id: UUID, key: str, ref: str, actor: Actor, now: datetime) -> list[str]:
    """Take down that everything correctable in a row is still right; the names of its fields.

    Raises `NotYours`, `ledger.SubjectClosed`.
    """
    with transaction.atomic():
        _open_subject(subject_id)
        kind = kind_of(key)
        row = row_of(kind, subject_id, ref)
        names = [p.name for p in kind.personal if p.correctable and is_filled(row, p.name)]
        _note(subject_id, key, ref, names, Said.RIGHT, now)
        record(
            actor=actor,
            verb="accounts.data-confirmed",
            now=now,
            subject_id=subject_id,
            facts={"holding": key, "fields": list(names)},
        )
    return names


def remove(*, subject_id: UUID, key: str, ref: str = "", actor: Actor, now: datetime) -> int:
    """Delete one row of the person's, or without `ref` all rows of the holding; how many.

    The database counts rows that are to last: it is told that their owner took them
    (`audit.movements`). Removing stays possible while data is restricted: it lessens.

    Raises `NotYours`, `NotRemovable`, `ledger.SubjectClosed` once erased, `NoPolicy`.
    """
    kind = kind_of(key)
    if not kind.removable:
        raise NotYours(key)
    gone = 0
    while True:
        with transaction.atomic():
            if ledger.lock_subject(subject_id).erased_at is not None:
                raise SubjectClosed(subject_id=subject_id, why="erased")
            if not may_remove(kind, current.fresh(now).document):
                raise NotRemovable(key)
            bitten = _bite(kind, subject_id, ref, actor, now)
        gone += bitten
        if ref or not bitten:
            return gone


def _bite(kind: Holding, subject_id: UUID, ref: str, actor: Actor, now: datetime) -> int:
    if ref:
        rows = [row_of(kind, subject_id, ref, lock=True)]
    else:
        rows = list(rows_of(kind, subject_id).select_for_update(of=("self",)).order_by("pk")[:BITE])
    if not rows:
        return 0
    ids = [row.pk for row in rows]
    told = record(
        actor=actor,
        verb="accounts.data-removed",
        now=now,
        subject_id=subject_id,
        facts={"holding": kind.key, "rows": len(ids)},
    )
    mine = Confirmation.objects.filter(subject_id=subject_id, holding=kind.key)
    mine.filter(row__in=[reference(kind, row) for row in rows]).delete()
    with because(Reason.OWNER, refs=[told.pk], subjects=same_person(subject_id)):
        if kind.outside is not None:
            kind.outside(ids)
        kind.rows().filter(pk__in=ids).delete()
    return len(ids)


def _changed(
    kind: Holding, row: Model, values: Mapping[str, Any], document: Document
) -> dict[str, Any]:
    """Field → clean value, for what differs. Raises `NotYours`, `ValidationError` by field."""
    here = {p.name: p for p in kind.personal if p.correctable and not p.page}
    wrong: dict[str, Any] = {}
    changed: dict[str, Any] = {}
    for name, given in values.items():
        if name not in here:
            raise NotYours(name)
        if given == getattr(row, name):
            continue
        points = points_of(document, f"{kind.key}.{name}")
        empty = given in ("", None)
        if empty and any(f"{kind.key}.{name}" in point.required for point in points):
            wrong[name] = _("We need this for your account. Change it, but leave it filled in.")
        elif not empty and not points and not is_filled(row, name):
            wrong[name] = _("Our policy does not ask for this, so we do not take it.")
        else:
            try:
                never_stored.refuse(str(given))
                changed[name] = field_of(row, name).clean(given, row)
            except ValidationError as error:
                wrong[name] = error
    if wrong:
        raise ValidationError(wrong)
    return changed


def _submit(
    kind: Holding,
    names: Iterable[str],
    subject_id: UUID,
    document: Document,
    surface: str,
    locale: str,
    actor: Actor,
    now: datetime,
) -> None:
    """That the person handed the values over, with the words beside the question (WA-1)."""
    by_point: dict[str, tuple[CollectionPoint, set[str]]] = {}
    for name in names:
        full = f"{kind.key}.{name}"
        for point in points_of(document, full)[:1]:
            by_point.setdefault(point.key, (point, set()))[1].add(full)
    for key, (point, fields) in by_point.items():
        ledger.submit(
            subject_id=subject_id,
            point=key,
            fields=fields,
            shown=Shown(point.notice, surface=surface, locale=locale),
            actor=actor,
            now=now,
        )


def _note(
    subject_id: UUID, key: str, ref: str, names: Iterable[str], said: str, now: datetime
) -> None:
    """The person's last word on these fields, in one statement."""
    rows = [
        Confirmation(subject_id=subject_id, holding=key, row=ref, field=name, said=said, at=now)
        for name in names
    ]
    Confirmation.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["subject", "holding", "row", "field"],
        update_fields=["said", "at"],
    )


def _open_subject(subject_id: UUID) -> None:
    """Lock the person's row. Raises `ledger.SubjectClosed`: nothing is processed meanwhile."""
    subject = ledger.lock_subject(subject_id)
    for why, closed in (
        ("erased", subject.erased_at is not None),
        ("locked", subject.locked),
        ("restricted", subject.restricted),
    ):
        if closed:
            raise SubjectClosed(subject_id=subject_id, why=why)
