"""What people type and choose when they sign up."""

from __future__ import annotations

from html import escape, unescape
from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _

from accounts.forms.fields import NAMES, email_field, name_field, password_field
from datamap.email import normalise_email
from policy.document import Document, MailCategory, Transfer


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
                self.fields[name] = name_field(name, required=key in required)
        self.fields["email"] = email_field()
        self.fields["password"] = password_field()
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
