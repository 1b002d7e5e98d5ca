"""One row of a person's own data, to be corrected: the form is made from the data map."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import TextField

from accounts.correctable import Datum, Entry
from accounts.forms.fields import NAMES, name_field, no_control_characters

LONGEST_TEXT = 4000  # characters, where the column names no limit


class CorrectionForm(forms.Form):
    """The fields of an entry that are changed on the page itself, as they are held now.

    Several such forms stand on one page, so ids carry the entry's name.
    """

    def __init__(self, data: Any = None, *, entry: Entry) -> None:
        initial = {datum.name: datum.value for datum in entry.here}
        super().__init__(data, initial=initial, auto_id=f"id_{entry.ref}_%s")
        self.entry = entry
        for datum in entry.here:
            self.fields[datum.name] = _field(entry, datum)


def _field(entry: Entry, datum: Datum) -> forms.Field:
    """The form field of a column, under the rules that it has elsewhere on the site."""
    if entry.holding.key == "accounts.account" and datum.name in NAMES:
        return name_field(datum.name, required=datum.needed)
    column: Any = entry.holding.model_class._meta.get_field(datum.name)
    made = column.formfield(label=datum.label, required=datum.needed or not column.blank)
    if made is None:
        raise TypeError(f"{entry.holding.key}.{datum.name} needs a page of its own")
    if isinstance(column, TextField):
        made.max_length = column.max_length or LONGEST_TEXT
        made.validators.append(forms.CharField(max_length=made.max_length).validators[-1])
    elif isinstance(made, forms.CharField):
        made.validators.append(no_control_characters)
    field: forms.Field = made
    return field
