"""What a person says when they make a key to the API: its name, what it may do, how long."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.keys import LIVES
from audit.access import scopes


class KeyForm(forms.Form):
    """Nothing is ticked beforehand: a key gets no more than was asked for."""

    name = forms.CharField(
        label=_("Name"),
        max_length=60,
        help_text=_("So that you know it again: the program or device that will hold it."),
        error_messages={"required": _("Give the key a name.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label=_("It may"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Tick at least one thing the key may do.")},
    )
    days = forms.TypedChoiceField(label=_("It ends after"), coerce=int, initial=LIVES[1].days)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered: Any = self.fields["scopes"]
        offered.choices = [(s.key, f"{s.text} ({s.key})") for s in scopes().values()]
        days: Any = self.fields["days"]
        days.choices = [
            (life.days, ngettext("%(n)d day", "%(n)d days", life.days) % {"n": life.days})
            for life in LIVES
        ]

    @property
    def life(self) -> timedelta:
        """How long the key lives."""
        return timedelta(days=self.cleaned_data["days"])
