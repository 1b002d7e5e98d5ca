"""What staff write down about two addresses of one person."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts import approval
from accounts.forms.fields import email_field
from datamap.email import normalise_email

# As much as the log of what staff looked up takes.
LONGEST_REASON: Final = 200


def reason_field(label: Any, help_text: Any, longest: int) -> forms.Field:
    """Why; the person may read it in the copy of their data."""
    return forms.CharField(
        label=label,
        help_text=help_text,
        max_length=longest,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class MergeForm(forms.Form):
    """Two addresses that are said to be one person's."""

    kept = email_field(_("Address the person uses"), autocomplete="off")
    merged = email_field(_("Their other address"), autocomplete="off")
    reason = reason_field(
        _("How you made sure"),
        _("For instance: answered from both. The second person and whom it is about read it."),
        approval.LONGEST_NOTE,
    )

    def clean_kept(self) -> str:
        return normalise_email(self.cleaned_data["kept"])

    def clean_merged(self) -> str:
        return normalise_email(self.cleaned_data["merged"])


class SplitForm(forms.Form):
    """An address that was taken for another person's."""

    address = email_field(_("Address that stands on its own"), autocomplete="off")
    other = email_field(_("The other address"), autocomplete="off")
    reason = reason_field(_("What was wrong"), _("Whom it is about may read it."), LONGEST_REASON)

    def clean_address(self) -> str:
        return normalise_email(self.cleaned_data["address"])

    def clean_other(self) -> str:
        return normalise_email(self.cleaned_data["other"])
