"""What a locked child and a parent type: an address, a code, a yes with its two parts."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.forms.fields import email_field
from accounts.guardians import LONGEST_CONTACT
from accounts.models import Guardianship
from datamap.email import normalise_email

M = Guardianship.Method
LIVE = (M.CALL, M.VIDEO)


class ParentAddressForm(forms.Form):
    """The address of a parent, given by the child."""

    prefix = "parent"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        label = _("E-mail address of your parent or guardian")
        self.fields["email"] = email_field(label, autocomplete="off")

    def clean_email(self) -> str:
        return normalise_email(self.cleaned_data["email"])


class CodeForm(forms.Form):
    """The code from the mail, with or without its space."""

    code = forms.CharField(
        label=_("Code from the mail"),
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )


class ConsentForm(forms.Form):
    """A parent's yes: to the use, and by itself to others getting it. Nothing is chosen."""

    is_parent = forms.BooleanField(
        label=_("I am this child's parent or guardian."),
        error_messages={"required": _("Tick this if it is so. If not, say no below.")},
    )
    use = forms.BooleanField(
        label=_("You may hold and use the child's data so that they can use their account."),
        error_messages={"required": _("Tick this if you agree. If not, say no below.")},
    )
    disclosure = forms.ChoiceField(
        label=_("May other people on this site, and those named in the policy, get the data, too?"),
        help_text=_("The account works without it. Then nobody else is shown anything of it."),
        choices=[("no", _("No")), ("yes", _("Yes"))],
        widget=forms.RadioSelect,
        error_messages={"required": _("Answer yes or no. Nothing is chosen for you.")},
    )
    method = forms.ChoiceField(
        label=_("How shall we make sure that you are the parent?"),
        choices=M.choices,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose one of the ways.")},
    )
    contact = forms.CharField(
        label=_("What we need for that"),
        help_text=_(
            "For a call: your number and a good time. Else leave it empty. Send no copy of an "
            "identity card. It is deleted as soon as we have decided."
        ),
        max_length=LONGEST_CONTACT,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("method") in LIVE and not data.get("contact"):
            wrong = _("Write how and when we can reach you for the call.")
            raise ValidationError({"contact": wrong})
        return data

    @property
    def words(self) -> str:
        """The questions exactly as shown."""
        asked = (self.fields[name] for name in ("is_parent", "use", "disclosure"))
        return "\n".join(f"{field.label} {field.help_text}".strip() for field in asked)


class DisclosureForm(forms.Form):
    """The second consent alone, changed later."""

    disclosure = ConsentForm.base_fields["disclosure"]

    @property
    def words(self) -> str:
        """The question exactly as shown."""
        field = self.fields["disclosure"]
        return f"{field.label} {field.help_text}".strip()
