"""What members of staff sign, ask for and write down about each other."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.approval import LONGEST_NOTE
from accounts.forms.fields import email_field, no_control_characters
from accounts.roles import Role
from accounts.undertakings import OLDEST_TRAINING
from datamap.email import normalise_email


def day_field(label: Any, **kwargs: Any) -> forms.DateField:
    """A day, as the browser offers it."""
    return forms.DateField(
        label=label,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        input_formats=["%Y-%m-%d"],
        error_messages={"invalid": _("Write the day like this: 2026-03-31.")},
        **kwargs,
    )


def first_moment(day: date, zone: ZoneInfo) -> datetime:
    """When that day begins on the operator's clock."""
    return datetime.combine(day, time.min, tzinfo=zone)


class SignForm(forms.Form):
    """The undertaking. seen: fingerprint of the words on the page."""

    agree = forms.BooleanField(
        label=_("I have read this, and I bind myself to it."),
        error_messages={"required": _("Tick the box if you bind yourself to this.")},
    )
    seen = forms.CharField(widget=forms.HiddenInput, max_length=64)


class AppointForm(forms.Form):
    """Whom to give which role."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"] = email_field(_("E-mail address of the account"), autocomplete="off")
        self.fields["role"] = forms.ChoiceField(
            label=_("Role"), choices=Role.choices, widget=forms.RadioSelect
        )
        self.fields["note"] = forms.CharField(
            label=_("Why"),
            max_length=LONGEST_NOTE,
            widget=forms.Textarea(attrs={"rows": 3}),
            help_text=_("Whoever decides reads this."),
            error_messages={"required": _("Write why, for whoever decides.")},
        )

    def clean_email(self) -> str:
        return normalise_email(self.cleaned_data["email"])


class TrainingForm(forms.Form):
    """A course somebody has done."""

    course = forms.CharField(label=_("Course"), max_length=120, validators=[no_control_characters])
    done_on = day_field(_("Done on"))

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        self.today = today
        super().__init__(*args, **kwargs)

    def clean_done_on(self) -> date:
        done: date = self.cleaned_data["done_on"]
        if done > self.today:
            raise ValidationError(_("This day is still to come."))
        if done < self.today - OLDEST_TRAINING:
            raise ValidationError(_("This is too long ago to count."))
        return done


class DeputyForm(forms.Form):
    """Who stands in, from which day to which, both included."""

    def __init__(self, *args: Any, colleagues: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["deputy"] = forms.ChoiceField(
            label=_("Who decides in your place"), choices=[("", "—"), *colleagues]
        )
        self.fields["first_day"] = day_field(_("First day away"))
        self.fields["last_day"] = day_field(_("Last day away"))

    def span(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """From the first moment of the first day to the end of the last."""
        first, last = self.cleaned_data["first_day"], self.cleaned_data["last_day"]
        return first_moment(first, zone), first_moment(last + timedelta(days=1), zone)

    def clean_last_day(self) -> date:
        last: date = self.cleaned_data["last_day"]
        if last.year > date.max.year - 1:
            raise ValidationError(_("This is too far away."))
        return last


class FindForm(forms.Form):
    """Whose data, for which task, and why."""

    task = forms.CharField(
        label=_("Number of the open request or case"),
        max_length=60,
        validators=[no_control_characters],
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    reason = forms.CharField(
        label=_("Why you need to look"),
        max_length=200,
        validators=[no_control_characters],
        help_text=_("The person can read this, with your role and the time, without your name."),
        error_messages={"required": _("Write why. The person can read it.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"] = email_field(_("E-mail address of the person"), autocomplete="off")
        self.order_fields(["email", "task", "reason"])

    def clean_email(self) -> str:
        return normalise_email(self.cleaned_data["email"])
