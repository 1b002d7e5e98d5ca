"""What staff write down when an account is said to be a child's."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.forms.fields import email_field, no_control_characters
from datamap.email import normalise_email
from policy.document import Document

OLDEST_REPORT = timedelta(days=5 * 366)


class ReportChildForm(forms.Form):
    """A report that an account is a child's: whose, who said so, when it reached us."""

    SOURCES = (
        ("parent", _("A parent or guardian")),
        ("person", _("The person themselves")),
        ("somebody", _("Somebody else")),
        ("authority", _("An authority")),
        ("staff", _("We noticed it ourselves")),
    )

    def __init__(self, *args: Any, now: datetime, document: Document, **kwargs: Any) -> None:
        self.now, self.zone = now, document.zone
        super().__init__(*args, **kwargs)
        self.fields["email"] = email_field(_("E-mail address of the account"), autocomplete="off")
        self.fields["source"] = forms.ChoiceField(
            label=_("Who told us"), choices=self.SOURCES, widget=forms.RadioSelect
        )
        self.fields["arrived_at"] = forms.DateTimeField(
            label=_("When it reached us"),
            help_text=_("Our time to act counts from then. Time zone: %(zone)s.")
            % {"zone": document.site.time_zone},
            widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
            input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
        )
        self.fields["reference"] = forms.CharField(
            label=_("Number of the ticket, letter or call"),
            help_text=_("Goes into the log. Leave out names and addresses."),
            max_length=80,
            validators=[no_control_characters],
        )

    def clean_email(self) -> str:
        return normalise_email(self.cleaned_data["email"])

    def clean_arrived_at(self) -> datetime:
        # Typed on the operator's clock, so read on that one, not on the server's.
        typed: datetime = self.cleaned_data["arrived_at"]
        arrived = typed.replace(tzinfo=self.zone)
        if arrived > self.now:
            raise ValidationError(_("This time is still to come."))
        if arrived < self.now - OLDEST_REPORT:
            raise ValidationError(_("This is too long ago. Look at the year again."))
        return arrived
