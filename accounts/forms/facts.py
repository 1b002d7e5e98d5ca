"""What somebody tells about another person, and who is to see what one accepted."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts import facts
from accounts.models import Audience
from accounts.profiles import audiences_for


class FactForm(forms.Form):
    """One fact, and where it is from. Its rules are the domain's own."""

    text = forms.CharField(
        label=_("What you know about them"),
        help_text=_("One thing, in a sentence."),
        max_length=facts.LONGEST["text"],
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off"}),
    )
    source = forms.CharField(
        label=_("Where you have it from"),
        help_text=_("For example: they told me; a newspaper and its day."),
        max_length=facts.LONGEST["source"],
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean_text(self) -> str:
        return facts.clean("text", self.cleaned_data["text"])

    def clean_source(self) -> str:
        return facts.clean("source", self.cleaned_data["source"])


class AudienceForm(forms.Form):
    """Who is to see an accepted fact."""

    audience = forms.ChoiceField(label=_("Who sees it"))

    def __init__(self, *args: Any, minor: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered: Any = self.fields["audience"]
        offered.choices = [(a.value, a.label) for a in audiences_for(minor=minor)]
        self.initial.setdefault("audience", Audience.NOBODY)
