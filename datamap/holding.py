"""`Holding`: one declaration of a table's personal data, read by everything that touches it.

Access packages, self-service correction, erasure, retention sweeps and the public data map all
read the same declaration, so none of them can forget a table the others know.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db.models import Model, Q, QuerySet


class Erasing(enum.Enum):
    """What erasing a person means for the rows of a holding (GDPR 17)."""

    DELETE = "delete"
    ANONYMISE = "anonymise"
    KEEP = "keep"


class Source(enum.Enum):
    """Where a value comes from (GDPR 14(2)(f))."""

    PERSON = "given by the person"
    OTHER_PERSON = "given by another person"
    SITE = "made by the site"
    OUTSIDE = "got from outside"


@dataclass(frozen=True)
class Personal:
    """One personal field: its Fideslang category, its source, what is inside.

    `contents` is required for JSON and free-text fields: a plain list of what may be in them.
    `correctable` fields are confirmed and edited by their owner any time (GDPR 16): on the page of
    corrections, or, where that takes more than a value, on the page whose URL name `page` is.
    `secret` fields (password hashes, tokens) are erased but never put into an access package.
    `bound` fields are out of the runtime role's reach: a function of the database hands them out
    for the one purpose they serve, and notes it (WD-9). Such a field is never empty.
    """

    name: str
    category: str
    source: Source = Source.PERSON
    correctable: bool = False
    page: str = ""
    secret: bool = False
    bound: bool = False
    contents: str = ""


@dataclass(frozen=True, kw_only=True)
class Holding:
    """Rows of one model that are about people.

    key: stable name used by policy files, `accounts.profile`.
    model: Django label, `accounts.Profile`.
    title: what it is called before the people it is about, "Your account" (a lazy translation).
    staff_title: what it is called before staff, where the title speaks to the person.
    subject: lookup path from a row to its `Subject`, `subject` or `user__subject`; "pk" for
        the subject itself.
    personal: every personal field.
    other: every other concrete field, pinned exactly, so that an upgrade fails loudly. May hold
        the contents of a JSON or text field as `"facts: ids and figures"`.
    clocks: clock name used by the policy file → datetime column a period runs from. The column
        has an index. The value may be null: then the period has not begun.
    due: optional further condition a row must meet before a rule may take it (lookups).
    erasing: what erasing a person does to the rows; ANONYMISE needs `blank`, KEEP needs `ground`.
    blank: field → value written when anonymising (a callable gets the row's primary key).
    ground: key of the policy ground on which rows are kept (GDPR 17(3)).
    spare: rows that outlive an erasure on `ground` until their own end, as lookups; for
        instance the answer to the erasure request that still waits to be sent.
    after: holdings whose rows must be gone before these (besides foreign keys, found by itself).
    also: lookup paths to other subjects whose data the row is, too (a message's other end).
    outside: names a callable that erases what lies outside the row (a photo file).
    files: names a callable that tells what of these people lies there, name and content, for their
        package.
    removable: their owner may remove single rows, or all of them, any time.
    lasting: rows stay as long as the account exists, unless a rule or their owner ends them
        (PROMISES WC-5); the database counts them (`audit.movements`).
    feature: the part of the product that fills it; where the policy switches that off
        (`[features]`), there are no rows, and the policy need not speak of them.
    """

    key: str
    model: str
    title: Any
    staff_title: Any = ""
    subject: str
    personal: tuple[Personal, ...]
    other: tuple[str, ...] = ()
    clocks: Mapping[str, str] = field(default_factory=dict)
    due: Mapping[str, Any] = field(default_factory=dict)
    erasing: Erasing = Erasing.DELETE
    blank: Mapping[str, Any] = field(default_factory=dict)
    ground: str = ""
    spare: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    outside: Callable[[list[Any]], None] | None = None
    files: Callable[[list[Any]], Iterable[tuple[str, bytes]]] | None = None
    removable: bool = False
    lasting: bool = False
    feature: str = ""

    def __post_init__(self) -> None:
        if self.erasing is Erasing.ANONYMISE and not self.blank:
            raise ValueError(f"holding {self.key}: anonymising needs `blank`")
        if (self.erasing is Erasing.KEEP or self.spare) and not self.ground:
            raise ValueError(f"holding {self.key}: keeping needs a `ground`")

    @property
    def model_class(self) -> type[Model]:
        """The Django model. Raises LookupError while apps are loading."""
        app_label, name = self.model.split(".")
        return apps.all_models[app_label][name.lower()]

    def rows(self) -> QuerySet[Model]:
        """All rows, through the base manager: a default manager may hide some."""
        return self.model_class._base_manager.all()

    def rows_of(self, subject_ids: list[Any]) -> QuerySet[Model]:
        """Rows about these subjects, whatever else they are about."""
        lookup = f"{self.subject}__in"
        return self.rows().filter(**{lookup: subject_ids})

    def rows_to_erase(self, subject_ids: list[Any]) -> QuerySet[Model]:
        """Rows that an erasure still has to take; none once it is done (the verification)."""
        rows = self.rows_of(subject_ids)
        if self.erasing is Erasing.KEEP:
            return rows.none()
        if self.spare:
            rows = rows.exclude(**self.spare)
        if self.erasing is Erasing.ANONYMISE:
            left = Q()
            for name, value in self.blank.items():
                if callable(value):
                    continue
                done = {f"{name}__isnull": True} if value is None else {name: value}
                left |= ~Q(**done)
            rows = rows.filter(left)
        return rows

    @property
    def field_names(self) -> frozenset[str]:
        """Every field the declaration names, personal or not."""
        others = {name.partition(":")[0] for name in self.other}
        return frozenset({p.name for p in self.personal} | others)
