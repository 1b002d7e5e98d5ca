"""Fields and rules that several of this room's forms share."""

from __future__ import annotations

import unicodedata
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

LONGEST_PASSWORD = 1024


EMAIL = _("E-mail address")


NAMES = {"first_name": _("First name"), "last_name": _("Last name")}


AUTOCOMPLETE = {"first_name": "given-name", "last_name": "family-name"}


def no_control_characters(text: str) -> None:
    """Refuse line breaks and other characters nobody can see. Raises `ValidationError`."""
    if any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in text):
        raise ValidationError(_("Write this on one line, without special control characters."))


def name_field(name: str, *, required: bool) -> forms.Field:
    return forms.CharField(
        label=NAMES[name],
        required=required,
        max_length=100,
        validators=[no_control_characters],
        widget=forms.TextInput(attrs={"autocomplete": AUTOCOMPLETE[name]}),
    )


def email_field(label: Any = EMAIL, autocomplete: str = "email") -> forms.Field:
    # CharField: `normalise_email` judges, which knows quoted and international forms.
    return forms.CharField(
        label=label,
        max_length=320,
        widget=forms.EmailInput(attrs={"autocomplete": autocomplete}),
    )


def password_field() -> forms.Field:
    return forms.CharField(
        label=_("Password"),
        help_text=_("At least 15 characters. A few words in a row are easy to remember."),
        strip=False,
        max_length=LONGEST_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
