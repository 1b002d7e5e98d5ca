"""Log-in, addresses and passwords: allauth's forms in our words."""

from __future__ import annotations

from typing import Any

from allauth.account import forms as allauth_forms
from django import forms
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.forms.fields import EMAIL, email_field
from accounts.password_reset import ask_for_reset
from accounts.staying import ask, end_with_the_browser
from datamap.email import normalise_email


class LoginForm(allauth_forms.LoginForm):  # type: ignore[misc]  # allauth has no types
    """allauth's, with our one spelling of an address, or its account would not be found; and with
    a box, not ticked, for staying signed in.
    """

    stay = forms.BooleanField(
        label=_("Stay signed in on this browser"),
        required=False,
        help_text=_(
            "For 14 days, also after you close it. Not on a computer that others use. You can "
            "end it at any time, here or on the page of your devices."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = EMAIL
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)

    def clean_login(self) -> str:
        return normalise_email(super().clean_login())

    def login(self, request: HttpRequest, redirect_url: str | None = None) -> Any:
        """Log in; the tick counts from here on, whatever was ticked in this browser before."""
        response = super().login(request, redirect_url)
        if self.user is not None and not settings.ACCOUNT_SESSION_REMEMBER:
            end_with_the_browser(request)
            if self.cleaned_data["stay"]:
                ask(request=request, user=self.user, now=timezone.now())
        return response


class AddEmailForm(allauth_forms.AddEmailForm):  # type: ignore[misc]  # allauth has no types
    """allauth's, under the name that an address has on all our pages."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = EMAIL


class ChangePasswordForm(allauth_forms.ChangePasswordForm):  # type: ignore[misc]  # as above
    """allauth's, in our spelling."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["oldpassword"].label = _("Password you have now")
        self.fields["password1"].label = _("New password")
        self.fields["password2"].label = _("New password once more")


class ResetPasswordForm(forms.Form):
    """One address; the answer is the same for every one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"] = email_field()

    def clean_email(self) -> str:
        return normalise_email(self.cleaned_data["email"])

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        """Send the one mail; the address it went to."""
        email: str = self.cleaned_data["email"]
        ask_for_reset(email=email, now=timezone.now(), language=get_language() or "en")
        return email
