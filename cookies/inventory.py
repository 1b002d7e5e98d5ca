"""The policy's cookies in words, the necessary ones apart from the rest."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from policy.document import Cookie, Document


@dataclass(frozen=True)
class Line:
    """One cookie or storage key as the page shows it."""

    cookie: Cookie
    purpose: str
    lifetime: str
    provider: str
    kind: str


@dataclass(frozen=True)
class Group:
    """Cookies under one heading."""

    title: str
    text: str
    lines: tuple[Line, ...]


def groups(document: Document) -> list[Group]:
    """The groups that have any cookie."""
    necessary = Group(
        _("Needed for the site to work"),
        _("These are set without asking, because a part of the site that you use needs them."),
        tuple(_line(c, document) for c in document.cookies if c.necessary),
    )
    optional = Group(
        _("Only with your yes"),
        _("These are not needed. Without your yes they are not set."),
        tuple(_line(c, document) for c in document.cookies if not c.necessary),
    )
    return [group for group in (necessary, optional) if group.lines]


def _line(cookie: Cookie, document: Document) -> Line:
    purpose = document.purpose(cookie.purpose)
    session = cookie.lifetime == "session"
    return Line(
        cookie=cookie,
        purpose=purpose.title if purpose else cookie.purpose,
        lifetime=_("until you close the browser") if session else str(cookie.lifetime),
        provider=cookie.provider or _("this site"),
        kind={
            "cookie": "",
            "local storage": _("Kept in the browser's local storage."),
            "session storage": _("Kept in the browser's session storage."),
            "beacon": _("A picture that tells it was loaded."),
        }[cookie.kind],
    )
