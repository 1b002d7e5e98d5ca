"""One address to invite, or to be left alone."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.forms.fields import EMAIL, email_field
from datamap.email import normalise_email

# What lists of addresses are written with; a quoted name could hold any of them.
SEPARATORS = frozenset('",;<>()')


def one_address(typed: str) -> str:
    """The address, normalised. Raises `ValidationError` for a list, a name or hidden characters."""
    if SEPARATORS & set(typed) or not typed.isprintable():
        raise ValidationError(_("Enter one e-mail address, such as name@example.com."))
    return normalise_email(typed)


class OneAddressForm(forms.Form):
    """One e-mail address and nothing else: no name, no list, no second line."""

    def __init__(self, *args: Any, label: Any = EMAIL, whose: str = "email", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"] = email_field(label, autocomplete=whose)

    def clean_email(self) -> str:
        return one_address(self.cleaned_data["email"])


class InviteForm(OneAddressForm):
    """The address of the friend."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        label = _("E-mail address of your friend")
        super().__init__(*args, label=label, whose="off", **kwargs)
