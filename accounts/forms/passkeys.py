"""Security keys: allauth's forms, with names that end and nonsense that is refused."""

from __future__ import annotations

import json
from typing import Any, Final

from allauth.mfa.adapter import get_adapter
from allauth.mfa.webauthn import forms as allauth_forms
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.forms.fields import no_control_characters

# What a browser says about a key is some hundred bytes; attested keys bring certificates along.
LONGEST_ANSWER: Final = 20_000
LONGEST_NAME: Final = 60
# What the library raises for an answer that has not the shape a browser gives it.
NONSENSE: Final = (AttributeError, KeyError, IndexError, TypeError, ValueError)


def name_field(*, required: bool) -> forms.CharField:
    """What its owner calls a key."""
    return forms.CharField(
        label=_("Name of the key"),
        max_length=LONGEST_NAME,
        required=required,
        validators=[no_control_characters],
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


def _checked(credential: Any) -> None:
    if not isinstance(credential, dict) or len(json.dumps(credential)) > LONGEST_ANSWER:
        raise get_adapter().validation_error("incorrect_code")


class AddKeyForm(allauth_forms.AddWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """Adding a key. What comes from the browser is checked by the library, if it can be read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"] = name_field(required=False)

    def clean_credential(self) -> Any:
        credential = self.cleaned_data["credential"]
        _checked(credential)
        return credential

    def clean(self) -> dict[str, Any]:
        try:
            return dict(super().clean())
        except ValidationError:
            raise
        except NONSENSE:
            raise get_adapter().validation_error("incorrect_code") from None


class RenameKeyForm(allauth_forms.EditWebAuthnForm):  # type: ignore[misc]  # as above
    """Another name for a key."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"] = name_field(required=True)


class _AnswerForm(forms.Form):
    """Proving a key one has."""

    def clean_credential(self) -> Any:
        _checked(self.cleaned_data["credential"])
        try:
            return super().clean_credential()  # type: ignore[misc]  # of the library's form
        except ValidationError:
            raise
        except NONSENSE:
            raise get_adapter().validation_error("incorrect_code") from None


class KeyAtLoginForm(_AnswerForm, allauth_forms.AuthenticateWebAuthnForm):  # type: ignore[misc]  # as above
    """The second step of a log-in, by a key."""


class KeyAgainForm(_AnswerForm, allauth_forms.ReauthenticateWebAuthnForm):  # type: ignore[misc]  # as above
    """Showing again that it is you, by a key."""
