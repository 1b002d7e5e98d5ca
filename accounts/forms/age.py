"""A birth date, as a person types it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.age import parse_birth_date

MISSING = {
    "day": _("Enter the day."),
    "month": _("Enter the month."),
    "year": _("Enter the year."),
}


class BirthDateForm(forms.Form):
    """A birth date as three free entries: no list to pick from, no default, no hint."""

    day = forms.CharField(label=_("Day"), max_length=20)
    month = forms.CharField(label=_("Month"), max_length=20)
    year = forms.CharField(label=_("Year"), max_length=20)

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        self.now = now
        self.born_on: date | None = None
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.error_messages["required"] = MISSING[name]
            field.widget.attrs.update(
                autocomplete=f"bday-{name}",
                inputmode="numeric",
                size=4 if name == "year" else 2,
            )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors:
            self.born_on = parse_birth_date(data["day"], data["month"], data["year"], self.now)
        return data
