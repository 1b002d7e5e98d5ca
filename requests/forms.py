"""Forms of the desk."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from requests.review import LONGEST_REASON


class ReasonForm(forms.Form):
    """A reason, told to the person word for word."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=_("The person reads exactly this."),
        error_messages={"required": _("Write why. The person reads it.")},
    )
