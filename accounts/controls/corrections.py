"""What people gave can be corrected by them, and the correction is what is served from then on."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urlsplit

from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from accounts.controls import probes
from accounts.models import User
from audit.control import Control, Finding, Sort, declare
from consent import mail
from consent.models import Message
from datamap import registry
from datamap.holding import Holding, Personal
from policy import current

# What the probe types, by kind of data, where any word will not do.
SAMPLES: Mapping[str, Mapping[str, str]] = {
    "user.demographic.date_of_birth": {"day": "7", "month": "9", "year": "1971"},
    "user.contact.phone_number": {"": "+1 202 555 0175"},
    "user.contact.address.postal_code": {"": "20500"},
}


def corrections(now: datetime) -> Finding:
    """WA-15: the owner of a new account opens the page of each correctable field, sends
    its form back with another value, and finds it there at the next read, in the table and on the
    page. An address counts once it is proved: the probe follows the link in its own mail.

    Fields that no version in force asks for, and that nobody has filled in, are left out.
    """
    client, user = probes.signed_in(now=now)
    fields = list(_correctable(now))
    found = []
    for holding, personal in fields:
        if reason := _try(client, user, holding, personal):
            found.append(f"{holding.key}.{personal.name}: {reason}")
    return Finding.of(checked=len(fields), violations=found)


def _correctable(now: datetime) -> Iterator[tuple[Holding, Personal]]:
    points = current.fresh(now).document.collection_points
    asked = {name for point in points for name in (*point.required, *point.optional)}
    for holding in registry.holdings():
        for personal in holding.personal:
            if personal.correctable and f"{holding.key}.{personal.name}" in asked:
                yield holding, personal


def _try(client: Client, user: User, holding: Holding, personal: Personal) -> str:
    """What is wrong with correcting this field; empty when it works."""
    try:
        page = reverse(personal.page or "accounts:corrections")
    except NoReverseMatch:
        return "it has no page"
    names = SAMPLES.get(personal.category, {})
    typed = {name or personal.name: value for name, value in names.items()}
    if personal.category == "user.contact.email":
        typed = {personal.name: f"{secrets.token_hex(8)}@probe.invalid"}
    typed = typed or {personal.name: f"Probe {secrets.token_hex(4)}"}
    form = _form_with(client, page, set(typed), holding, personal)
    if form is None:
        return "the page has no form for it"
    before = _stored(user, holding, personal)
    client.post(form.action or page, form.values | typed)
    if personal.category == "user.contact.email" and not _follow_the_mail(client):
        return "no mail to prove the address"
    if _stored(user, holding, personal) in (before, None):
        return "the old value is still stored"
    return _not_served(client, page, holding, personal, typed)


def _not_served(
    client: Client, page: str, holding: Holding, personal: Personal, typed: Mapping[str, str]
) -> str:
    """Whether the next read still shows something else."""
    if len(typed) > 1:
        return ""  # a date, which the page shows in words
    text = unescape(client.get(page).content.decode())
    return "" if all(value in text for value in typed.values()) else "the page shows another value"


def _stored(user: User, holding: Holding, personal: Personal) -> object:
    """The column as it is in the table."""
    rows = holding.rows_of([user.subject_id]).values_list(personal.name, flat=True)
    value = rows.first()
    return bytes(value) if isinstance(value, memoryview) else value


def _follow_the_mail(client: Client) -> bool:
    sent = Message.objects.filter(template="account_email_confirmation").order_by("-posted_at")
    message = sent.first()
    link = re.search(r"https?://\S+/confirm-email/\S+", mail.text_of(message)) if message else None
    if link is None:
        return False
    return client.post(urlsplit(link[0]).path).status_code == 302


@dataclass
class _Form:
    """A form as a browser would send it."""

    action: str = ""
    values: dict[str, str] = field(default_factory=dict)
    pressed: bool = False


def _form_with(
    client: Client, page: str, names: set[str], holding: Holding, personal: Personal
) -> _Form | None:
    """The form of the page that has these fields; on a page of many, the holding's own."""
    reader = _Reader()
    reader.feed(client.get(page).content.decode())
    fitting = [form for form in reader.forms if names <= form.values.keys()]
    if not personal.page:
        fitting = [form for form in fitting if f"/{holding.key}/" in form.action]
    return fitting[0] if fitting else None


class _Reader(HTMLParser):
    """Collects the forms of a page: where they go, and what their fields hold."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[_Form] = []
        self.text, self.select = "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(_Form(given.get("action", "")))
        if not self.forms:
            return
        values, name = self.forms[-1].values, given.get("name", "")
        ticked = given.get("type") not in ("checkbox", "radio") or "checked" in given
        if given.get("type") == "submit" or (tag == "button" and "type" not in given):
            self._press(name, given)
        elif tag == "input" and name and ticked and given.get("type") != "file":
            values[name] = given.get("value", "")
        elif tag == "textarea":
            self.text = name
            values[name] = ""
        elif tag == "select":
            self.select = name
        elif tag == "option" and self.select and "selected" in given:
            values[self.select] = given.get("value", "")

    def _press(self, name: str, given: dict[str, str]) -> None:
        """The first button that sends a form is the one that the Enter key presses."""
        form = self.forms[-1]
        if name and not form.pressed:
            form.values[name] = given.get("value", "")
        form.pressed = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.text = ""
        elif tag == "select":
            self.select = ""

    def handle_data(self, data: str) -> None:
        if self.text:
            self.forms[-1].values[self.text] += data.removeprefix("\n")


declare(
    Control(
        key="accounts.corrections",
        sentence=_("What people gave us they can look at, confirm and correct themselves."),
        how=_(
            "We open an account, change each field that its owner may correct through its page as "
            "a browser does, and look whether the table and the next page hold the new value."
        ),
        sort=Sort.PROBE,
        check=corrections,
    ),
)
