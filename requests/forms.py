"""Forms of the desk and of asking for a copy."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from requests.models import Request
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


class CopyForm(forms.Form):
    """What a copy is for; the package is the same."""

    kind = forms.ChoiceField(
        label=_("What do you want it for?"),
        choices=[
            (Request.Kind.ACCESS, _("To see what you hold about me")),
            (Request.Kind.PORTABILITY, _("To take my data elsewhere")),
        ],
        widget=forms.RadioSelect,
        initial=Request.Kind.ACCESS,
        help_text=_("You get the same package either way: pages to read and files for programs."),
        error_messages={
            "required": _("Choose one of the two."),
            "invalid_choice": _("Choose one of the two."),
        },
    )
