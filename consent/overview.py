"""A person's choices as sentences: what each is about, whether it is on, since when and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent import ledger
from consent.models import Choice, Decision, Event, Kind
from consent.options import Option, options
from datamap.models import Subject
from policy.document import Document

HEADINGS = {
    Kind.TRANSFER: gettext_lazy("Your data in other countries"),
    Kind.MAIL: gettext_lazy("Mail from us"),
    Kind.PURPOSE: gettext_lazy("What we may do with your data"),
}


@dataclass(frozen=True)
class Row:
    """One switch: the option, whether it is on, and why in a sentence."""

    option: Option
    on: bool
    sentence: str

    @property
    def hidden(self) -> list[dict[str, str]]:
        """What the switch's form sends along."""
        return [
            {"name": "kind", "value": self.option.kind},
            {"name": "key", "value": self.option.key},
        ]


@dataclass(frozen=True)
class Group:
    """Switches of one kind under their heading."""

    heading: str
    rows: tuple[Row, ...]


def groups(*, subject: Subject, document: Document) -> list[Group]:
    """All options of the policy in force with where this person's choices stand; one query."""
    standing = ledger.standing(subject.pk)
    rows = [_row(o, standing.get((o.kind, o.key)), subject, document) for o in options(document)]
    found = ((heading, _of_kind(rows, kind)) for kind, heading in HEADINGS.items())
    return [Group(str(heading), of_kind) for heading, of_kind in found if of_kind]


def sentence(*, event: Event, zone: ZoneInfo) -> str:
    """What happened, when and where: "You said yes on 3 March 2026 when you signed up"."""
    return {
        Decision.GIVEN: _("You said yes on %(date)s%(where)s."),
        Decision.RENEWED: _("You said yes again on %(date)s%(where)s."),
        Decision.REFUSED: _("You said no on %(date)s%(where)s."),
        Decision.WITHDRAWN: _("You took your yes back on %(date)s%(where)s."),
        Decision.EXPIRED: _("Your yes ran out on %(date)s%(where)s."),
    }[Decision(event.decision)] % {
        "date": _day(event.at, zone),
        "where": _where(event.surface),
    }


def _of_kind(rows: Iterable[Row], kind: Kind) -> tuple[Row, ...]:
    return tuple(row for row in rows if row.option.kind == kind)


def _row(option: Option, choice: Choice | None, subject: Subject, document: Document) -> Row:
    if choice is not None:
        text = sentence(event=choice.event, zone=document.zone)
        return Row(option, choice.is_yes, text)
    if not option.on_without_choice:
        return Row(option, False, _("It is off, because you have not said yes."))
    if subject.minor:
        why = _("It is off until you say yes: you have the settings for people under age.")
        return Row(option, False, why)
    return Row(option, True, _("It is on, because you have not said no."))


def _day(at: datetime, zone: ZoneInfo) -> str:
    return formats.date_format(at.astimezone(zone), "j F Y")


def _where(surface: str) -> str:
    return {
        "signup": _(" when you signed up"),
        "choices": _(" on the page of your choices"),
        "unsubscribe": _(" by the link in a mail"),
        "mail-program": _(" with the button of your mail program"),
        "address-confirmed": _(", before you had an account"),
    }.get(surface, "")
