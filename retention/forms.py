"""What people type on this room's pages: a statement, decisions, reasons."""

from __future__ import annotations

import copy
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms.age import BirthDateForm
from accounts.models import Guardianship
from retention.children import LONGEST_STATEMENT


class StatementForm(forms.Form):
    """What a locked person says. No upload: proofs about children are no data we want."""

    statement = forms.CharField(
        label=_("Why is this a mistake?"),
        help_text=_(
            "In your own words. Please send no copy of an identity card, and nothing else that "
            "we would only have to delete again."
        ),
        max_length=LONGEST_STATEMENT,
        widget=forms.Textarea(attrs={"rows": 6}),
    )


class ReasonForm(forms.Form):
    """Why a member of staff does something, for the record."""

    reason = forms.CharField(
        label=_("Your reason"),
        help_text=_("Stays on record. Write no name, address or birth date here."),
        max_length=200,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class ParentForm(ReasonForm):
    """How it was made sure that a parent is one (16 CFR 312.5(b)), and the reason."""

    method = forms.ChoiceField(
        label=_("How you made sure"),
        choices=Guardianship.Method.choices,
        widget=forms.RadioSelect,
    )
    field_order = ("method", "reason")


class BrakeForm(ReasonForm):
    """A decision about so many rows: those that stood on the page."""

    shown = forms.IntegerField(min_value=0, widget=forms.HiddenInput)


class ReleaseForm(BirthDateForm):
    """Not a child: the right birth date, needed where the one we hold says child."""

    def __init__(self, *args: Any, needed: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("day", "month", "year"):
            if needed:
                # The person's date, not that of whoever sits at the keyboard.
                self.fields[name].widget.attrs["autocomplete"] = "off"
            else:
                del self.fields[name]
        self.fields["reason"] = copy.deepcopy(ReasonForm.base_fields["reason"])

    def clean(self) -> dict[str, Any]:
        return super().clean() if "day" in self.fields else dict(self.cleaned_data)
