"""A profile as its owner fills it in: each part, and beside it who sees it."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts import photos, profiles
from accounts.photos import NoPhoto, Photo
from accounts.profiles import RULES, Own, audiences_for
from accounts.visibility import Part

AUTOCOMPLETE: Final = {
    "first_name": "given-name",
    "last_name": "family-name",
    "phone": "tel",
    "address": "street-address",
    "postcode": "postal-code",
}
HINTS: Final = {
    "first_name": _("Shown with the initial of your last name."),
    "last_name": _("Whoever may not see it sees the initial."),
    "networks": _("Where you went to school, work, sing, play, or whatever you belong to."),
    "photo": _("JPEG, PNG or WebP, up to 5 MB. Where and when it was taken is not kept."),
}
TYPES: Final = "image/jpeg,image/png,image/webp"


class ProfileForm(forms.Form):
    """Only the parts that the policy names. Fields: the part's key, and `see_` with it.

    too_large: the field whose file was let go of on its way in.
    """

    def __init__(self, *args: Any, own: Own, too_large: str = "", **kwargs: Any) -> None:
        self.own, self.too_large = own, too_large
        self.read_photo: Photo | None = None
        kwargs.setdefault("initial", _initial(own))
        super().__init__(*args, **kwargs)
        choices = [(a.value, a.label) for a in audiences_for(minor=own.minor)]
        for part in own.parts:
            needed = part.key in own.needed
            is_photo = part.key == "photo"
            self.fields[part.key] = _photo_field(part) if is_photo else _field(part, needed)
            if part.key == "photo" and own.values["photo"]:
                self.fields["photo_remove"] = forms.BooleanField(
                    label=_("Delete the photo"), required=False
                )
            self.fields[f"see_{part.key}"] = forms.ChoiceField(
                label=_whose(part),
                choices=choices,
                error_messages={"required": _("Say who sees this.")},
            )

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Part by part, for the page."""
        return [
            {
                "key": part.key,
                "field": self[part.key],
                "see": self[f"see_{part.key}"],
                "remove": self["photo_remove"] if self._may_remove(part) else None,
            }
            for part in self.own.parts
        ]

    @property
    def values(self) -> dict[str, str]:
        """Part → text; after `is_valid`."""
        keys = [part.key for part in self.own.parts if part.key in RULES]
        return {key: self.cleaned_data[key] for key in keys}

    @property
    def audiences(self) -> dict[str, str]:
        """Part → who sees it; after `is_valid`."""
        return {part.key: self.cleaned_data[f"see_{part.key}"] for part in self.own.parts}

    def clean_photo(self) -> Any:
        """Look at the file now, so that the error stands beside it."""
        if self.too_large == "photo":
            raise ValidationError(photos.too_large())
        sent: UploadedFile[Any] | None = self.cleaned_data.get("photo")
        if sent is None:
            return None
        try:
            self.read_photo = photos.read(sent)
        except NoPhoto as error:
            raise ValidationError(str(error)) from None
        return None

    def add_wrong(self, error: profiles.WrongParts) -> None:
        """Put what the domain refused beside its field."""
        for place, told in error.errors.items():
            kind, _dot, key = place.partition(".")
            self.add_error(key if kind == "values" else f"see_{key}", told)

    def _may_remove(self, part: Part) -> bool:
        return part.key == "photo" and "photo_remove" in self.fields


def _initial(own: Own) -> dict[str, str]:
    values = {key: value for key, value in own.values.items() if key != "photo"}
    return values | {f"see_{key}": audience for key, audience in own.audiences.items()}


def _whose(part: Part) -> SafeString:
    """The words beside a part; whoever does not see what stands beside it hears it."""
    asked = _("Who sees it")
    return format_html('{}<span class="visually-hidden">: {}</span>', asked, _label(part))


def _label(part: Part) -> Any:
    return _("First name") if part.key == "first_name" else part.label


def _field(part: Part, needed: bool) -> forms.Field:
    rule = RULES[part.key]
    attrs = {"autocomplete": AUTOCOMPLETE.get(part.key, "off")}
    if part.key == "phone":
        attrs["inputmode"] = "tel"
    widget = forms.Textarea(attrs={**attrs, "rows": 4}) if rule.lines else forms.TextInput(attrs)

    def check(text: str) -> None:
        profiles.clean(part.key, text)

    return forms.CharField(
        label=_label(part),
        required=needed,
        error_messages={"required": _("An account needs this. You can change it.")},
        max_length=rule.longest,
        help_text=HINTS.get(part.key, ""),
        validators=[check],
        widget=widget,
    )


def _photo_field(part: Part) -> forms.Field:
    return forms.FileField(
        label=part.label,
        required=False,
        help_text=HINTS["photo"],
        widget=forms.FileInput(attrs={"accept": TYPES}),
        error_messages={
            "invalid": _("Choose a file of this device."),
            "empty": _("This file is empty. Choose another one."),
        },
    )
