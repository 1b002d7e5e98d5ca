"""What a person may correct or remove themselves, as their page shows it.

It is read off the data map: each field that its holding marks `correctable`, in rows about the
person and about nobody else. A field whose `page` is named has a way of its own (a birth date, an
address that has to be proved). A holding marked `removable` lets its owner end rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Field, Model, QuerySet

from accounts.models import Confirmation
from datamap.encryption import keyed_hash
from datamap.holding import Holding, Personal
from datamap.registry import UnknownHolding, holding, holdings
from datamap.same_person import selection
from policy import vocabulary
from policy.document import CollectionPoint, Document

MOST: Final = 50  # rows of one holding that a page shows, newest first


class NotYours(LookupError):
    """There is no such holding or row, or it is somebody else's, or not for its owner to change."""


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
        rows = list(rows_of(each, subject_id).order_by("-pk")[:MOST])
        found += [_entry(each, row, said, document) for row in rows]
        if not rows and any(p.page for p in each.personal if p.correctable):
            found.append(_entry(each, None, said, document))
    return found


def open_holdings() -> list[Holding]:
    """Holdings whose owners can change or remove something."""
    return [h for h in holdings() if h.removable or any(p.correctable for p in h.personal)]


def entry(*, subject_id: UUID, key: str, ref: str, document: Document) -> Entry:
    """One of the person's rows. Raises `NotYours`."""
    kind = kind_of(key)
    row = row_of(kind, subject_id, ref)
    said = {(c.holding, c.row, c.field): c for c in _said(subject_id)}
    return _entry(kind, row, said, document)


def may_remove(kind: Holding, document: Document) -> bool:
    """Whether the data map lets the owner remove rows, and the policy can do without them."""
    prefix = f"{kind.key}."
    needed = {name for point in document.collection_points for name in point.required}
    return kind.removable and not any(name.startswith(prefix) for name in needed)


def reference(kind: Holding, row: Model) -> str:
    """A row's name in addresses: keyed, so that it tells neither the row's id nor its age."""
    return keyed_hash(f"correction {kind.key} {row.pk}")[:32]


def kind_of(key: str) -> Holding:
    """The holding, if its owners may change it. Raises `NotYours`."""
    try:
        found = holding(key)
    except UnknownHolding:
        raise NotYours(key) from None
    if found not in open_holdings():
        raise NotYours(key)
    return found


def rows_of(kind: Holding, subject_id: UUID) -> QuerySet[Model]:
    """Rows about the person; what is about somebody else, too, is not theirs alone to change."""
    rows = kind.rows().filter(**{f"{kind.subject}__in": selection(subject_id)})
    for path in kind.also:
        rows = rows.filter(**{f"{path}__isnull": True})
    return rows


def row_of(kind: Holding, subject_id: UUID, ref: str, *, lock: bool = False) -> Model:
    """The row of this name. Raises `NotYours`."""
    rows = rows_of(kind, subject_id)
    named = (r for r in rows.order_by("-pk").only("pk")[:MOST] if reference(kind, r) == ref)
    found = next(named, None)
    if lock and found is not None:
        return rows.select_for_update(of=("self",)).get(pk=found.pk)
    if found is None:
        raise NotYours(ref)
    found.refresh_from_db()
    return found


def points_of(document: Document, name: str) -> list[CollectionPoint]:
    points = document.collection_points
    return [p for p in points if name in p.required or name in p.optional]


def is_filled(row: Model, name: str) -> bool:
    return getattr(row, name) not in ("", None, b"")


def field_of(row: Model, name: str) -> Field[Any, Any]:
    found: Field[Any, Any] = row._meta.get_field(name)  # type: ignore[assignment]  # ours are columns
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
    points = points_of(document, name)
    return Datum(
        name=personal.name,
        label=vocabulary.field_label(kind, personal),
        value=_shown(row, personal),
        filled=row is not None and is_filled(row, personal.name),
        page=personal.page,
        needed=any(name in point.required for point in points),
        notice=points[0].notice if points else "",
        said=word.said if word else "",
        said_at=word.at if word else None,
    )


def _shown(row: Model | None, personal: Personal) -> Any:
    """The value, unless it is kept in a form that only its own page can read."""
    if row is None or (personal.page and not field_of(row, personal.name).editable):
        return None
    return getattr(row, personal.name)


def _takes(kind: Holding, personal: Personal, row: Model | None, document: Document) -> bool:
    """Whether the policy has a place for a value, or one is held that can be changed."""
    if row is None or not field_of(row, personal.name).editable:
        return False
    named = bool(points_of(document, f"{kind.key}.{personal.name}"))
    return named or is_filled(row, personal.name)


def _said(subject_id: UUID) -> QuerySet[Confirmation]:
    return Confirmation.objects.filter(subject_id=subject_id)
