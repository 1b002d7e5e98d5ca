"""What the choices page sends: which choice, and whether its switch is on."""

from __future__ import annotations

from django import forms

from consent.models import CHOSEN


class SwitchForm(forms.Form):
    """One switch. An unticked box is not sent at all, so `on` is then False."""

    kind = forms.ChoiceField(choices=[(kind, kind) for kind in CHOSEN])
    key = forms.SlugField(max_length=60)
    on = forms.BooleanField(required=False)
