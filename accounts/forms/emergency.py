"""What somebody says whose password or card is in wrong hands."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms.fields import email_field, no_control_characters
from datamap.email import normalise_email

PASSWORD, CARD = "password", "card"


class StolenForm(forms.Form):
    """Whose, and what. cards: whether the site takes payments at all."""

    def __init__(self, *args: Any, cards: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"] = email_field(_("E-mail address of the account"))
        lost = [(PASSWORD, _("My password, or a device on which I am signed in"))]
        if cards:
            lost.append((CARD, _("A card I pay with")))
        self.fields["lost"] = forms.MultipleChoiceField(
            label=_("What is lost or stolen"),
            choices=lost,
            initial=[PASSWORD] if not cards else None,
            widget=forms.CheckboxSelectMultiple,
            error_messages={"required": _("Tick at least one.")},
        )

    def clean_email(self) -> str:
        return normalise_email(self.cleaned_data["email"])

    @property
    def password(self) -> bool:
        """Whether the password is lost."""
        return PASSWORD in self.cleaned_data["lost"]

    @property
    def card(self) -> bool:
        """Whether a card is."""
        return CARD in self.cleaned_data["lost"]


class LossDecisionForm(forms.Form):
    """How staff made sure who is speaking; goes into the access log."""

    reason = forms.CharField(
        label=_("How you made sure who it is, and the number of the ticket or call"),
        help_text=_("Leave out names, addresses and card numbers."),
        max_length=200,
        validators=[no_control_characters],
    )
