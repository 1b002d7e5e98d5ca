"""What there is to choose under a policy: its optional purposes, its mail, its transfers.

One list for the ledger (which keys exist, what holds without a choice), the page that shows the
switches and the words that are stored with each decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _

from consent.models import Kind
from policy.document import Document, MailCategory, Purpose, Transfer

CONTRIBUTED: Final = "contributed-facts"  # whether others may add to one's profile (WC-20)


@dataclass(frozen=True)
class Option:
    """One thing a person can say yes or no to.

    text: what it means. note: what else stands beside the switch (how often, what a no brings).
    on_without_choice: what holds while nothing was chosen (a policy's opt-out basis).
    withdrawn: what taking a yes back brings, when that is more than the thing itself ending.
    """

    kind: Kind
    key: str
    title: str
    text: str
    note: str = ""
    on_without_choice: bool = False
    withdrawn: str = ""

    @property
    def explained(self) -> str:
        """Text and note as sentences."""
        note = self.note if self.note[-1:] in ("", ".", "!", "?") else f"{self.note}."
        return f"{self.text} {note}".strip()

    @property
    def words(self) -> str:
        """What the choices page says about it, as stored with a decision made there."""
        return f"{self.title}\n{self.explained}"


def options(document: Document) -> tuple[Option, ...]:
    """Everything a person can choose under this policy, in the policy's order.

    A purpose that is carried out by mail has the mail's switch and none of its own: two switches
    for one thing could say different things.
    """
    by_mail = {m.purpose for m in document.mail_categories}
    return (
        *(_transfer(t) for t in document.transfers if t.mechanism == "explicit consent"),
        *(_mail(m) for m in document.mail_categories),
        *(_purpose(p) for p in document.purposes if _is_choice(p) and p.key not in by_mail),
        *_contributed(document),
    )


def option(document: Document, *, kind: str, key: str) -> Option | None:
    """The option with this kind and key, or None when the policy offers no such choice."""
    return next((o for o in options(document) if (o.kind, o.key) == (kind, key)), None)


def needs_no_choice(document: Document, *, kind: str, key: str) -> bool:
    """Whether the policy does it without anybody's choice: a contract's purpose, for instance."""
    if option(document, kind=kind, key=key) is not None:
        return False
    if kind == Kind.PURPOSE:
        purpose = document.purpose(key)
        return purpose is not None and not _is_choice(purpose)
    return kind == Kind.TRANSFER and document.transfer(key) is not None


def by_mail(document: Document, *, key: str) -> tuple[Option, ...]:
    """The mail whose switches decide about a purpose; none where it has one of its own."""
    purpose = document.purpose(key)
    if purpose is None or not _is_choice(purpose):
        return ()
    return tuple(_mail(m) for m in document.mail_categories if m.purpose == key)


def _is_choice(purpose: Purpose) -> bool:
    return purpose.optional or purpose.legal_basis == "consent"


def _purpose(purpose: Purpose) -> Option:
    # A yes can't be a default (GDPR 4(11)), whatever the file says.
    on = purpose.default == "on" and purpose.legal_basis != "consent"
    return Option(Kind.PURPOSE, purpose.key, purpose.title, purpose.text, on_without_choice=on)


def _contributed(document: Document) -> tuple[Option, ...]:
    """Wherever a policy lets others add to a profile its owner decides, off by default; also where
    the policy names no purpose of its own for it.
    """
    if not document.features.contributed_facts or document.purpose(CONTRIBUTED):
        return ()
    text = _(
        "Other people here may tell something about you. You see it first, with who told it and "
        "where they have it from; nobody else sees it before you accept it."
    )
    return (Option(Kind.PURPOSE, CONTRIBUTED, _("What others say about you"), text),)


def _mail(category: MailCategory) -> Option:
    return Option(
        Kind.MAIL,
        category.key,
        category.title,
        category.text,
        note=category.frequency or "",
        on_without_choice=category.basis == "opt-out",
    )


def _transfer(transfer: Transfer) -> Option:
    return Option(
        Kind.TRANSFER,
        transfer.key,
        transfer.title,
        transfer.ask,
        note=transfer.withdrawn,
        withdrawn=transfer.withdrawn,
    )
