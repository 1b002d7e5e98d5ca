"""Self-service correction: seeing one's own data, saying that it is right, changing, removing it.

What may be changed is read off the data map: each field that its holding marks `correctable`, in
rows about the person and about nobody else. A field whose `page` is named has a way of its own (a
birth date, an address that has to be proved); all others are changed here, by the rules of their
column and of the policy: what the policy nowhere asks for is not taken, what it needs stays filled
in. A holding marked `removable` lets its owner end single rows, or all of them.

No value enters the log, only that it changed (GDPR 16; PROMISES WA-15, WC-19).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Field, Model, QuerySet
from django.utils.translation import gettext as _

from accounts import signals
from accounts.models import Confirmation
from accounts.telling import tell_changed_by_staff
from audit.log import Actor, record
from audit.models import AuditEntry
from audit.movements import Reason, because
from consent import ledger
from consent.ledger import Shown, SubjectClosed
from datamap import never_stored
from datamap.encryption import keyed_hash
from datamap.holding import Holding, Personal
from datamap.models import Subject
from datamap.registry import UnknownHolding, holding, holdings
from datamap.same_person import same_person, selection
from policy import current, vocabulary
from policy.document import CollectionPoint, Document

MOST: Final = 50  # rows of one holding that a page shows, newest first
BITE: Final = 500  # rows removed in one transaction
PERSON: Final = AuditEntry.ActorKind.PERSON
STAFF: Final = AuditEntry.ActorKind.STAFF
Said = Confirmation.Said


class NotYours(LookupError):
    """There is no such holding or row, or it is somebody else's, or not for its owner to change."""


class NotRemovable(Exception):
    """The policy in force needs what the row holds."""


@dataclass(frozen=True)
class Datum:
    """One field of one row, as its owner sees it.

    value: none where only its own page can read it. filled: whether there is any. page: URL name
    of the page where it is changed; empty: here. needed: the policy can't do without. notice: the
    words beside the question. said_at: when the owner last said something about it.
    """

    name: str
    label: str
    value: Any
    filled: bool
    page: str
    needed: bool
    notice: str
    said: str
    said_at: datetime | None


@dataclass(frozen=True)
class Word:
    """What an owner said about some data, and when. said: one of `Confirmation.Said`."""

    said: str
    at: datetime
    labels: list[str]


@dataclass(frozen=True)
class Entry:
    """One row of the person's, or the place of one.

    ref: its random name in addresses. about: what else is in it, by label, to tell rows apart.
    """

    holding: Holding
    ref: str
    row: Model | None
    data: tuple[Datum, ...]
    about: Mapping[str, str]
    removable: bool

    @property
    def here(self) -> list[Datum]:
        """What is changed on this page."""
        return [datum for datum in self.data if not datum.page]

    @property
    def elsewhere(self) -> list[Datum]:
        """What has a page of its own."""
        return [datum for datum in self.data if datum.page]

    @property
    def notices(self) -> list[str]:
        """The words beside what is asked here, each once."""
        return list(dict.fromkeys(datum.notice for datum in self.here if datum.notice))

    @property
    def any_filled(self) -> bool:
        """Whether there is anything to say "it is right" about."""
        return self.row is not None and any(datum.filled for datum in self.data)

    @property
    def words(self) -> list[Word]:
        """What the owner said about the data, what was said at once in one line."""
        found: dict[tuple[str, datetime], list[str]] = {}
        for datum in self.data:
            if datum.said_at is not None:
                found.setdefault((datum.said, datum.said_at), []).append(datum.label)
        return [Word(said, at, labels) for (said, at), labels in found.items()]


def entries(*, subject_id: UUID, document: Document) -> list[Entry]:
    """What a person can confirm, change or remove; one query for each holding, and one more."""
    said = {(c.holding, c.row, c.field): c for c in _said(subject_id)}
    found = []
    for each in open_holdings():
        rows = list(_rows(each, subject_id).order_by("-pk")[:MOST])
        found += [_entry(each, row, said, document) for row in rows]
        if not rows and any(p.page for p in each.personal if p.correctable):
            found.append(_entry(each, None, said, document))
    return found


def open_holdings() -> list[Holding]:
    """Holdings whose owners can change or remove something."""
    return [h for h in holdings() if h.removable or any(p.correctable for p in h.personal)]


def entry(*, subject_id: UUID, key: str, ref: str, document: Document) -> Entry:
    """One of the person's rows. Raises `NotYours`."""
    kind = _kind(key)
    row = _row(kind, subject_id, ref)
    said = {(c.holding, c.row, c.field): c for c in _said(subject_id)}
    return _entry(kind, row, said, document)


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
        kind = _kind(key)
        row = _row(kind, subject_id, ref, lock=True)
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
        kind = _kind(key)
        row = _row(kind, subject_id, ref)
        names = [p.name for p in kind.personal if p.correctable and _is_filled(row, p.name)]
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
    kind = _kind(key)
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


def may_remove(kind: Holding, document: Document) -> bool:
    """Whether the data map lets the owner remove rows, and the policy can do without them."""
    prefix = f"{kind.key}."
    needed = {name for point in document.collection_points for name in point.required}
    return kind.removable and not any(name.startswith(prefix) for name in needed)


def reference(kind: Holding, row: Model) -> str:
    """A row's name in addresses: keyed, so that it tells neither the row's id nor its age."""
    return keyed_hash(f"correction {kind.key} {row.pk}")[:32]


def _bite(kind: Holding, subject_id: UUID, ref: str, actor: Actor, now: datetime) -> int:
    if ref:
        rows = [_row(kind, subject_id, ref, lock=True)]
    else:
        rows = list(_rows(kind, subject_id).select_for_update(of=("self",)).order_by("pk")[:BITE])
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


def _kind(key: str) -> Holding:
    """The holding, if its owners may change it. Raises `NotYours`."""
    try:
        found = holding(key)
    except UnknownHolding:
        raise NotYours(key) from None
    if found not in open_holdings():
        raise NotYours(key)
    return found


def _rows(kind: Holding, subject_id: UUID) -> QuerySet[Model]:
    """Rows about the person; what is about somebody else, too, is not theirs alone to change."""
    rows = kind.rows().filter(**{f"{kind.subject}__in": selection(subject_id)})
    for path in kind.also:
        rows = rows.filter(**{f"{path}__isnull": True})
    return rows


def _row(kind: Holding, subject_id: UUID, ref: str, *, lock: bool = False) -> Model:
    """The row of this name. Raises `NotYours`."""
    rows = _rows(kind, subject_id)
    named = (r for r in rows.order_by("-pk").only("pk")[:MOST] if reference(kind, r) == ref)
    found = next(named, None)
    if lock and found is not None:
        return rows.select_for_update(of=("self",)).get(pk=found.pk)
    if found is None:
        raise NotYours(ref)
    found.refresh_from_db()
    return found


def _entry(
    kind: Holding,
    row: Model | None,
    said: Mapping[tuple[str, str, str], Confirmation],
    document: Document,
) -> Entry:
    ref = reference(kind, row) if row is not None else ""
    data = []
    for personal in kind.personal:
        if personal.correctable and (personal.page or _takes(kind, personal, row, document)):
            word = said.get((kind.key, ref, personal.name))
            data.append(_datum(kind, personal, row, word, document))
    removable = row is not None and may_remove(kind, document)
    about = _about(kind, row) if removable and not data else {}
    return Entry(kind, ref, row, tuple(data), about, removable)


def _about(kind: Holding, row: Model | None) -> dict[str, str]:
    """Short texts in a row that can't be changed and are no secret."""
    found = {}
    for personal in kind.personal:
        value = getattr(row, personal.name) if row is not None else None
        if isinstance(value, str) and value and not (personal.correctable or personal.secret):
            found[vocabulary.field_label(kind, personal)] = value
    return found


def _datum(
    kind: Holding,
    personal: Personal,
    row: Model | None,
    word: Confirmation | None,
    document: Document,
) -> Datum:
    name = f"{kind.key}.{personal.name}"
    points = _points(document, name)
    return Datum(
        name=personal.name,
        label=vocabulary.field_label(kind, personal),
        value=_shown(row, personal),
        filled=row is not None and _is_filled(row, personal.name),
        page=personal.page,
        needed=any(name in point.required for point in points),
        notice=points[0].notice if points else "",
        said=word.said if word else "",
        said_at=word.at if word else None,
    )


def _shown(row: Model | None, personal: Personal) -> Any:
    """The value, unless it is kept in a form that only its own page can read."""
    if row is None or (personal.page and not _field(row, personal.name).editable):
        return None
    return getattr(row, personal.name)


def _points(document: Document, name: str) -> list[CollectionPoint]:
    points = document.collection_points
    return [p for p in points if name in p.required or name in p.optional]


def _takes(kind: Holding, personal: Personal, row: Model | None, document: Document) -> bool:
    """Whether the policy has a place for a value, or one is held that can be changed."""
    if row is None or not _field(row, personal.name).editable:
        return False
    named = bool(_points(document, f"{kind.key}.{personal.name}"))
    return named or _is_filled(row, personal.name)


def _is_filled(row: Model, name: str) -> bool:
    return getattr(row, name) not in ("", None, b"")


def _field(row: Model, name: str) -> Field[Any, Any]:
    found: Field[Any, Any] = row._meta.get_field(name)  # type: ignore[assignment]  # ours are columns
    return found


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
        points = _points(document, f"{kind.key}.{name}")
        empty = given in ("", None)
        if empty and any(f"{kind.key}.{name}" in point.required for point in points):
            wrong[name] = _("We need this for your account. Change it, but leave it filled in.")
        elif not empty and not points and not _is_filled(row, name):
            wrong[name] = _("Our policy does not ask for this, so we do not take it.")
        else:
            try:
                never_stored.refuse(str(given))
                changed[name] = _field(row, name).clean(given, row)
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
        for point in _points(document, full)[:1]:
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


def _said(subject_id: UUID) -> QuerySet[Confirmation]:
    return Confirmation.objects.filter(subject_id=subject_id)


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
