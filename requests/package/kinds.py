"""Kinds of data in a package: what each holds, why, from whom, for whom, how long (GDPR 15(1))."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from consent.models import Words
from datamap.holding import Erasing, Personal, Source
from datamap.registry import holdings
from policy import datapage, vocabulary
from policy.datapage import HoldingEntry
from policy.document import Document, Ground, Purpose, Recipient
from requests.package.columns import Column, Form, columns_of, time_of

# Sorting more takes longer than all the rest: as many rows as are stored in order of arrival.
SORTED_UP_TO: Final = 100_000
WORDS: Final = "consent.words"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of data: a holding, or the words that its rows point to.

    personal: what is in it about the person, also what is too secret to be a column.
    periods: how long it is kept, in sentences. select: the rows about a person, in any order.
    newest: field by which they are put in order.
    """

    key: str
    title: str
    columns: tuple[Column, ...]
    select: Callable[[list[UUID]], QuerySet[Any]]
    newest: str
    personal: tuple[Personal, ...] = ()
    purposes: tuple[Purpose, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    periods: tuple[str, ...] = ()
    ground: Ground | None = None
    about: str = ""

    def rows(self, subject_ids: list[UUID], *, ordered: bool) -> QuerySet[Any, tuple[Any, ...]]:
        """The selected columns of the rows about a person, newest first if `ordered`."""
        rows = self.select(subject_ids).order_by()
        if ordered:
            rows = rows.order_by(*([F(self.newest).desc()] if self.newest else []), "-pk")
        return rows.values_list(*(column.expression for column in self.columns))

    @property
    def categories(self) -> list[str]:
        """What is in it, in words, without repetition."""
        return list(dict.fromkeys(vocabulary.category(p.category) for p in self.personal))

    @property
    def sources(self) -> list[str]:
        """Where it comes from, in words, without repetition (GDPR 15(1)(g))."""
        return list(dict.fromkeys(str(vocabulary.SOURCES[p.source]) for p in self.personal))


def kinds(document: Document) -> tuple[Kind, ...]:
    """Every kind of data of this installation, in the order of keys, the words seen at the end."""
    found = {entry.holding.key: _kind(entry, document) for entry in datapage.entries(document)}
    return (*found.values(), _words(found["consent.event"]))


def _kind(entry: HoldingEntry, document: Document) -> Kind:
    holding = entry.holding

    def select(subject_ids: list[UUID]) -> QuerySet[Any]:
        return holding.rows_of(subject_ids)

    return Kind(
        key=holding.key,
        title=str(holding.title),
        columns=columns_of(holding),
        select=select,
        newest=time_of(holding),
        personal=tuple(holding.personal),
        purposes=entry.purposes,
        recipients=_recipients(entry, document),
        periods=_periods(entry),
        ground=entry.ground,
    )


def _recipients(entry: HoldingEntry, document: Document) -> tuple[Recipient, ...]:
    """Who gets data for one of the purposes; who gets figures alone gets nothing of a person's."""
    served = {purpose.key for purpose in entry.purposes}
    return tuple(
        r for r in document.recipients if not r.figures_only and served.intersection(r.purposes)
    )


def _periods(entry: HoldingEntry) -> tuple[str, ...]:
    if entry.rules:
        return tuple(rule.text for rule in entry.rules)
    if entry.holding.erasing is Erasing.KEEP and entry.ground is not None:
        return (_("At most %(period)s.") % {"period": vocabulary.period(entry.ground.maximum)},)
    return (_("As long as the account or the case it belongs to."),)


def _words(decisions: Kind) -> Kind:
    """The exact words shown to the person: the evidence of what they agreed to is theirs, too. It
    serves what the decisions serve, and stays as long.
    """
    return Kind(
        key=WORDS,
        title=_("The words you were shown"),
        columns=(
            Column(name="digest", label=_("Digest"), form=Form.TEXT, expression=F("digest")),
            Column(name="locale", label=_("Language"), form=Form.TEXT, expression=F("locale")),
            Column(name="text", label=_("Text"), form=Form.TEXT, expression=F("text")),
        ),
        select=words_seen,
        newest="",
        personal=(Personal("text", "user.privacy_preferences", source=Source.SITE),),
        purposes=decisions.purposes,
        recipients=decisions.recipients,
        periods=decisions.periods,
        ground=decisions.ground,
        about=_(
            "Texts of this site that stood before you when you decided something, or below the "
            "mail we sent you. Other kinds name them by their digest."
        ),
    )


def words_seen(subject_ids: list[UUID]) -> QuerySet[Any]:
    """Every text that a row about this person points to."""
    seen = Words._base_manager.none()
    for holding in holdings():
        rows = holding.rows_of(subject_ids)
        for of in holding.model_class._meta.concrete_fields:
            if of.related_model is Words:
                shown = rows.order_by().values(of.attname)
                seen = seen | Words._base_manager.filter(pk__in=shown)
    return seen
