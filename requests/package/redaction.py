"""Third parties are taken out: a copy must not harm the rights of others (GDPR 15(4)).

A row about one person may name another: the reviewer of a request, the member of staff in the
log, an address somebody wrote into a message. What is recognised, wherever in a text or JSON it
stands, is every id of a person other than the receiver, with hyphens or without, and every e-mail
address that is neither theirs nor the site's, also as addresses of pages write it (`%40`). It is
replaced by words that say so; the rest of the value stays.

What no program recognises, such as the name of a friend in one's own words, stays: the person
wrote it, or it was written about them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext
from psycopg import sql

from datamap import registry
from datamap.holding import Holding
from datamap.models import Subject
from policy.document import Document

# Bounded, so that long runs of letters cost no more than their length.
ADDRESS: Final = re.compile(r"[\w.!#$%&*+/=?^`{|}~'-]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63})+")
ID: Final = re.compile(r"\b[0-9a-f]{8}(-?)(?:[0-9a-f]{4}\1){3}[0-9a-f]{12}\b", re.IGNORECASE)
SHORTEST_ID: Final = 32
MOST_ADDRESSES: Final = 1000  # of the receiver's own, a kind; a later one in a text is taken out
MOST_REMEMBERED: Final = 5_000  # ids: of a few chunks, and those that come again and again


@dataclass
class Redactor:
    """Takes other people out of values.

    own_ids: of the receiver, subject and user. known_addresses: the receiver's and the site's.
    people_among: which of some ids are a person's.
    """

    own_ids: frozenset[str]
    known_addresses: frozenset[str]
    people_among: Callable[[Collection[str]], set[str]]
    marker: str = field(default_factory=lambda: gettext("[another person]"))
    _is_other: dict[str, bool] = field(default_factory=dict)

    def people(self, values: Sequence[str | None]) -> list[str | None]:
        """Ids of people, of which only the receiver's own stay."""
        return [v if v is None or v in self.own_ids else self.marker for v in values]

    def texts(self, values: Sequence[str | None]) -> Sequence[str | None]:
        """Texts of any sort; a JSON document stays one. One query at most."""
        distinct = [value for value in set(values) if value]
        everything = "\n".join(distinct)
        self.learn(found.group() for found in ID.finditer(everything))
        changed = {v: new for v in distinct if (new := self._text(v)) != v}
        return [changed.get(v, v) if v else v for v in values] if changed else values

    def learn(self, ids: Iterable[str]) -> None:
        """Find out which of these ids are other people's; one query for the unknown ones."""
        wanted = {_with_hyphens(i) for i in ids}
        # Asked one by one: taking all that is remembered from a set reads all that is remembered.
        unknown = {i for i in wanted if i not in self._is_other and i not in self.own_ids}
        if not unknown:
            return
        if len(self._is_other) > MOST_REMEMBERED:
            # What this very chunk needs is looked up in one go; nothing older is.
            self._is_other.clear()
        people = self.people_among(unknown)
        self._is_other.update((i, i in people) for i in unknown)

    def _text(self, value: str) -> str:
        if "@" in value or "%40" in value:
            value = ADDRESS.sub(self._address, value)
        if len(value) >= SHORTEST_ID:
            value = ID.sub(self._id, value)
        return value

    def _address(self, found: re.Match[str]) -> str:
        address = found.group()
        # A full stop or an apostrophe around an address belongs to the sentence.
        bare = address.strip(".'").lower().replace("%40", "@")
        return address if bare in self.known_addresses else self.marker

    def _id(self, found: re.Match[str]) -> str:
        return self.marker if self._is_other.get(_with_hyphens(found.group())) else found.group()


def _with_hyphens(found: str) -> str:
    """An id as the database writes it."""
    i = found.lower()
    return i if "-" in i else f"{i[:8]}-{i[8:12]}-{i[12:16]}-{i[16:20]}-{i[20:]}"


def redactor_for(
    *, subject_ids: list[UUID], document: Document, connection: BaseDatabaseWrapper
) -> Redactor:
    """The redactor of one person's package; learns their ids and addresses from the data map.

    subject_ids: all of that one person.
    """
    users = get_user_model()._base_manager.filter(subject_id__in=subject_ids)
    with connection.cursor() as cursor:
        own_ids = {str(i) for i in [*subject_ids, *_values(cursor, users.values_list("pk"))]}
        addresses = _site_addresses(document)
        for holding in registry.holdings():
            for name in _address_fields(holding):
                rows = (
                    holding.rows_of(subject_ids)
                    .order_by()
                    .values_list(name)
                    .distinct()[:MOST_ADDRESSES]
                )
                addresses |= {str(value).lower() for value in _values(cursor, rows) if value}
    return Redactor(
        own_ids=frozenset(own_ids),
        known_addresses=frozenset(addresses),
        people_among=lambda ids: _people_among(ids, connection),
    )


def _address_fields(holding: Holding) -> list[str]:
    """Fields with the person's own address; in a row of two people's it may be the other's."""
    if holding.also:
        return []
    return [
        p.name
        for p in holding.personal
        if p.category.startswith("user.contact.email")
        and not p.secret
        and holding.model_class._meta.get_field(p.name).get_internal_type() != "BinaryField"
    ]


def _site_addresses(document: Document) -> set[str]:
    parties = [document.controller, *document.controller.joint]
    sender = ADDRESS.search(settings.DEFAULT_FROM_EMAIL)
    ours = [*(party.email for party in parties), sender.group() if sender else ""]
    return {address.lower() for address in ours if address}


def _values(cursor: Any, rows: Any) -> list[Any]:
    cursor.execute(*rows.query.sql_with_params())
    return [value for (value,) in cursor.fetchall()]


def _people_among(ids: Collection[str], connection: BaseDatabaseWrapper) -> set[str]:
    """One query over both tables of people, by primary key."""
    wanted = [UUID(i) for i in ids]
    tables = (Subject, get_user_model())
    parts = [
        sql.SQL("SELECT {key}::text FROM {table} WHERE {key} = ANY(%s)").format(
            key=sql.Identifier(str(model._meta.pk.column)),
            table=sql.Identifier(model._meta.db_table),
        )
        for model in tables
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(" UNION ").join(parts).as_string(None), [wanted for _ in tables])
        return {found for (found,) in cursor.fetchall()}
