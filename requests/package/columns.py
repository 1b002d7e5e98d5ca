"""Columns of the package: each declared field with the SQL that reads it and how it is shown.

The database turns ids, times and JSON into text: it does so faster than Python could, and a
package of a million rows is made of little else.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import F, Func
from django.utils.text import capfirst

from datamap.holding import Holding, Personal
from datamap.models import Subject
from policy import vocabulary

# No shorter text holds an id of 36 characters, or anything else worth looking for.
SHORTEST_SUSPECT: Final = 6


class Form(enum.StrEnum):
    """What a column holds, as data.json calls it."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    DATE = "date"
    JSON = "json"
    ID = "id"
    PERSON = "person"
    SEALED = "sealed"
    BYTES = "bytes"


TEXT: Final = "({})::text"
HEX: Final = "encode({}, 'hex')"
# The first that fits, by class of field; a field without a pattern is selected as it is.
READINGS: Final[tuple[tuple[Any, Form, str], ...]] = (
    (models.UUIDField, Form.ID, TEXT),
    (
        models.DateTimeField,
        Form.TIME,
        "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
    ),
    (models.DateField, Form.DATE, "to_char({}, 'YYYY-MM-DD')"),
    (models.JSONField, Form.JSON, TEXT),
    (models.BooleanField, Form.BOOLEAN, ""),
    (models.IntegerField, Form.NUMBER, ""),
    (models.GenericIPAddressField, Form.TEXT, "host({})"),
    ((models.CharField, models.TextField), Form.TEXT, ""),
)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One field of a kind of data.

    expression: what to select. choices: stored value → words. main: shown without being asked for;
    the rest is technical. guarded: may hold other people's ids or addresses.
    """

    name: str
    label: str
    form: Form
    expression: Any
    choices: Mapping[str, str] = field(default_factory=dict)
    personal: Personal | None = None
    main: bool = True
    guarded: bool = False


def columns_of(holding: Holding) -> tuple[Column, ...]:
    """Every field that may be shown: all but the secret ones; the row's own time comes first."""
    model = holding.model_class
    personal = {p.name: p for p in holding.personal}
    names = [*personal, *(other.partition(":")[0] for other in holding.other)]
    clock = time_of(holding)
    names.sort(key=lambda name: name != clock)
    return tuple(
        _column(holding, model._meta.get_field(name), personal.get(name))
        for name in names
        if not (name in personal and personal[name].secret)
    )


def time_of(holding: Holding) -> str:
    """The column that tells when a row came to be: of its clocks the first that is never empty,
    or any other such time; empty when there is none.
    """
    fields = [f for f in holding.model_class._meta.concrete_fields if _is_time(f) and not f.null]
    names = [f.name for f in fields]
    return next((c for c in holding.clocks.values() if c in names), names[0] if names else "")


def _is_time(of: models.Field[Any, Any]) -> bool:
    return isinstance(of, models.DateTimeField)


def _column(holding: Holding, of: Any, personal: Personal | None) -> Column:
    form, expression = _reading(of, personal)
    choices = {str(value): str(words) for value, words in (of.flatchoices or ())}
    own_id = of.primary_key or of.name == holding.subject
    clocks = set(holding.clocks.values())
    return Column(
        name=of.name,
        label=_label(holding, of, personal),
        form=form,
        expression=expression,
        choices=choices,
        personal=personal,
        main=not own_id and (personal is not None or of.name in clocks or bool(choices)),
        guarded=form is Form.PERSON or (not own_id and not choices and _may_name(of, form)),
    )


def _label(holding: Holding, of: Any, personal: Personal | None) -> str:
    if personal is not None:
        return vocabulary.field_label(holding, personal)
    return str(capfirst(of.verbose_name))


def _may_name(of: Any, form: Form) -> bool:
    """Whether an id or an address of somebody else may stand in the column."""
    if form in (Form.JSON, Form.SEALED):
        return True
    if form is Form.ID:
        return not of.is_relation
    # RFC 5322 message ids look like addresses; ours are random numbers at the site's own domain.
    if form is not Form.TEXT or of.is_relation or of.name == "message_id":
        return False
    return of.max_length is None or of.max_length >= SHORTEST_SUSPECT


def _reading(of: Any, personal: Personal | None) -> tuple[Form, Any]:
    """How to select a field, and what comes of it."""
    if of.is_relation:
        return _relation(of)
    if isinstance(of, models.BinaryField):
        return (Form.SEALED, F(of.attname)) if personal else (Form.BYTES, _sql(HEX, of))
    for kind, form, pattern in READINGS:
        if isinstance(of, kind):
            return form, _sql(pattern, of) if pattern else F(of.attname)
    return Form.TEXT, _sql(TEXT, of)


def _relation(of: Any) -> tuple[Form, Any]:
    """People by id, which may be another's; what has a name by name; the rest by key."""
    target = of.related_model
    if target in (Subject, get_user_model()):
        return Form.PERSON, _sql(TEXT, of)
    if any(f.name == "name" for f in target._meta.concrete_fields):
        return Form.TEXT, F(f"{of.name}__name")
    return Form.ID, _sql(TEXT, of)


def _sql(pattern: str, of: Any) -> Func:
    return Func(
        F(of.attname),
        template=pattern.format("%(expressions)s"),
        output_field=models.TextField(),
    )
