"""What people type on this room's pages: birth dates, sign-up, log-in, reports."""

from __future__ import annotations

import unicodedata
from datetime import date, datetime, timedelta
from html import escape, unescape
from typing import Any

from allauth.account import forms as allauth_forms
from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.age import parse_birth_date
from accounts.password_reset import ask_for_reset
from accounts.staying import ask, end_with_the_browser
from datamap.email import normalise_email
from policy.document import Document, MailCategory, Transfer

LONGEST_PASSWORD = 1024
OLDEST_REPORT = timedelta(days=5 * 366)
EMAIL = _("E-mail address")
NAMES = {"first_name": _("First name"), "last_name": _("Last name")}
MISSING = {
    "day": _("Enter the day."),
    "month": _("Enter the month."),
    "year": _("Enter the year."),
}
AUTOCOMPLETE = {"first_name": "given-name", "last_name": "family-name"}


class BirthDateForm(forms.Form):
    """A birth date as three free entries: no list to pick from, no default, no hint."""

    day = forms.CharField(label=_("Day"), max_length=20)
    month = forms.CharField(label=_("Month"), max_length=20)
    year = forms.CharField(label=_("Year"), max_length=20)

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        self.now = now
        self.born_on: date | None = None
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.error_messages["required"] = MISSING[name]
            field.widget.attrs.update(
                autocomplete=f"bday-{name}",
                inputmode="numeric",
                size=4 if name == "year" else 2,
            )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors:
            self.born_on = parse_birth_date(data["day"], data["month"], data["year"], self.now)
        return data


class SignupForm(forms.Form):
    """What the policy's collection point `signup` names, and the choices it offers.

    Every transfer that needs explicit consent is asked by itself, with nothing chosen; mail on
    an opt-out basis is shown with a box to refuse it, to minors as a box to ask for it.
    """

    def __init__(self, *args: Any, document: Document, minor: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.document, self.minor = document, minor
        point = document.collection_point("signup")
        self.point = point
        named = {*point.required, *point.optional} if point else set()
        required = set(point.required) if point else set()
        for name in NAMES:
            key = f"accounts.account.{name}"
            if key in named:
                self.fields[name] = _name_field(name, required=key in required)
        self.fields["email"] = _email_field()
        self.fields["password"] = _password_field()
        for transfer in self._transfers():
            self.fields[f"transfer-{transfer.key}"] = TransferField(transfer)
        for category in document.mail_categories:
            asks = self._asks(category)
            self.fields[f"mail-{category.key}"] = _mail_field(category, asks=asks)

    def clean_email(self) -> str:
        return normalise_email(self.cleaned_data["email"])

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password)
        return password

    def declined(self) -> Transfer | None:
        """The first transfer answered with no, whatever else is missing."""
        for transfer in self._transfers():
            if self.data.get(self.add_prefix(f"transfer-{transfer.key}")) == "no":
                return transfer
        return None

    @property
    def words(self) -> str:
        """The notice and the questions, exactly as shown."""
        labels = [str(f.label) for name, f in self.fields.items() if "-" not in name]
        return "\n".join([self.point.notice if self.point else "", *labels])

    @property
    def filled(self) -> frozenset[str]:
        """The collection point's names of what was filled in."""
        names = (*NAMES, "email", "password")
        given = [n for n in names if self.cleaned_data.get(n)]
        return frozenset(f"accounts.account.{n}" for n in given)

    @property
    def agreed(self) -> dict[str, str]:
        """Transfer key → words of the question, for every yes."""
        return {
            t.key: self._words_of(f"transfer-{t.key}")
            for t in self._transfers()
            if self.cleaned_data.get(f"transfer-{t.key}") == "yes"
        }

    @property
    def mail(self) -> dict[str, tuple[bool, str]]:
        """Category key → (wanted, words) where a box was ticked; an empty box decides nothing."""
        return {
            c.key: (self._asks(c), self._words_of(f"mail-{c.key}"))
            for c in self.document.mail_categories
            if self.cleaned_data.get(f"mail-{c.key}")
        }

    def _transfers(self) -> list[Transfer]:
        return [t for t in self.document.transfers if t.mechanism == "explicit consent"]

    def _asks(self, category: MailCategory) -> bool:
        """Whether the box says yes to the mail, rather than no."""
        return self.minor or category.basis == "consent"

    def _words_of(self, name: str) -> str:
        field = self.fields[name]
        if isinstance(field, TransferField):
            return field.words
        # Help texts are escaped for the page; the ledger keeps what the person read.
        return f"{field.label}\n{unescape(str(field.help_text))}".strip()


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
        self.fields["email"] = _email_field()

    def clean_email(self) -> str:
        return normalise_email(self.cleaned_data["email"])

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        """Send the one mail; the address it went to."""
        email: str = self.cleaned_data["email"]
        ask_for_reset(email=email, now=timezone.now(), language=get_language() or "en")
        return email


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
        self.fields["email"] = _email_field(_("E-mail address of the account"), autocomplete="off")
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


def no_control_characters(text: str) -> None:
    """Refuse line breaks and other characters nobody can see. Raises `ValidationError`."""
    if any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in text):
        raise ValidationError(_("Write this on one line, without special control characters."))


def _name_field(name: str, *, required: bool) -> forms.Field:
    return forms.CharField(
        label=NAMES[name],
        required=required,
        max_length=100,
        validators=[no_control_characters],
        widget=forms.TextInput(attrs={"autocomplete": AUTOCOMPLETE[name]}),
    )


def _email_field(label: Any = EMAIL, autocomplete: str = "email") -> forms.Field:
    # CharField: `normalise_email` judges, which knows quoted and international forms.
    return forms.CharField(
        label=label,
        max_length=320,
        widget=forms.EmailInput(attrs={"autocomplete": autocomplete}),
    )


def _password_field() -> forms.Field:
    return forms.CharField(
        label=_("Password"),
        help_text=_("At least 15 characters. A few words in a row are easy to remember."),
        strip=False,
        max_length=LONGEST_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class TransferField(forms.ChoiceField):
    """Yes or no to one transfer, with nothing chosen; its template shows the whole question."""

    def __init__(self, transfer: Transfer) -> None:
        self.transfer = transfer
        super().__init__(
            label=transfer.title,
            help_text=escape(transfer.ask),
            choices=[("yes", _("Yes, I agree")), ("no", _("No, I do not agree"))],
            widget=forms.RadioSelect,
            error_messages={"required": _("Answer yes or no. Nothing is chosen for you.")},
        )

    @property
    def words(self) -> str:
        """The question as shown, with what a no brings."""
        refusing = _("If you say no, this is our answer: “%(declined)s”") % {
            "declined": self.transfer.declined
        }
        return f"{self.transfer.title}\n{self.transfer.ask}\n{refusing}"


def _mail_field(category: MailCategory, *, asks: bool) -> forms.Field:
    label = _("Send me this: %(title)s") if asks else _("Do not send me this: %(title)s")
    about = [category.text, f"{category.frequency}." if category.frequency else ""]
    return forms.BooleanField(
        label=label % {"title": category.title},
        help_text=escape(" ".join(part for part in about if part)),
        required=False,
    )
