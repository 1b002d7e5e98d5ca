"""A letter: a mail template made into recipient, subject line and body, with the common footer.

Templates are `templates/mail/<name>.txt`; their first line is `Subject: …`. They get plain
values only: whatever a person typed arrives as one line, so nobody writes headers or paragraphs
into somebody else's letter (ASVS 1.3.11).
"""

from __future__ import annotations

import enum
import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.template import Context, Template, engines
from django.utils import translation
from django.utils.functional import Promise

from datamap.encryption import decrypt, encrypt
from policy.document import Document

SUBJECT = "Subject: "
LONGEST_SUBJECT = 200
_PLAIN = (bool, int, float, Decimal, date, datetime, timedelta, UUID)


class Footing(enum.StrEnum):
    """On what a letter rests, which its footer says: nothing to choose, a choice, somebody else's
    wish.
    """

    ALWAYS = "always"
    VOLUNTARY = "voluntary"
    INVITATION = "invitation"


class BadTemplate(ValueError):
    """A mail template does not make a letter; `name` says which, `why` what is wrong."""

    def __init__(self, *, name: str, why: str) -> None:
        self.name, self.why = name, why
        super().__init__(f"mail template {name!r}: {why}")


@dataclass(frozen=True)
class Letter:
    """What one person is written. `refusal` is the address of the refusal page, or empty."""

    recipient: str
    subject: str
    body: str
    refusal: str
    sender: str
    reply_to: str

    def seal(self) -> bytes:
        """All of it, encrypted."""
        return encrypt(json.dumps(self.__dict__))

    @classmethod
    def unseal(cls, sealed: bytes) -> Letter:
        """The letter again. Raises `datamap.encryption.Unreadable`."""
        return cls(**json.loads(decrypt(sealed)))


@dataclass(frozen=True)
class Written:
    """A letter and the digest (SHA-256 in hex) of the template it was made from."""

    letter: Letter
    template_digest: str


def write(
    *,
    template: str,
    context: Mapping[str, Any],
    recipient: str,
    document: Document,
    footing: Footing,
    refusal: str,
    language: str,
    last: bool = False,
) -> Written:
    """Render a template and its footer. last: no mail will follow. Raises `BadTemplate`,
    `TypeError` for values that are not plain, `django.template.TemplateDoesNotExist`.
    """
    about = {
        "site_name": document.site.name,
        "site_url": settings.SITE_URL,
        "contact": document.controller.email,
    }
    # The operator's address has lines of its own.
    ending = {
        **_plain(about),
        "controller": document.controller.name,
        "address": document.controller.address,
        "footing": str(footing),
        "refusal": refusal,
        "last": last,
    }
    source = _template(template)
    subject, body = _parted(template, _rendered(source, _plain({**about, **context}), language))
    closing = _rendered(_template("footer"), ending, language)
    letter = Letter(
        recipient=recipient,
        subject=subject,
        body=f"{body}\n\n-- \n{closing}\n",
        refusal=refusal,
        sender=_one_line(document.site.name),
        reply_to=document.controller.email,
    )
    return Written(letter, hashlib.sha256(source.source.encode()).hexdigest())


def _template(name: str) -> Template:
    engine: Any = engines["django"]
    found: Template = engine.engine.get_template(f"mail/{name}.txt")
    return found


def _rendered(template: Template, values: dict[str, Any], language: str) -> str:
    with translation.override(language):
        return str(template.render(Context(values, autoescape=False))).strip()


def _parted(name: str, text: str) -> tuple[str, str]:
    """Subject line and body of a rendered template. Raises `BadTemplate`."""
    first, _, body = text.partition("\n")
    if not first.startswith(SUBJECT) or not body.strip():
        raise BadTemplate(name=name, why=f"it must begin with {SUBJECT!r} and go on with text")
    return _one_line(first.removeprefix(SUBJECT))[:LONGEST_SUBJECT], body.strip()


def _plain(value: Any) -> Any:
    """The value with every text in it on one line. Raises `TypeError` for objects, which could
    read more about a person than the caller meant to send.
    """
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, str | Promise):
        return _one_line(str(value))
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    raise TypeError(f"a mail template gets plain values, not {type(value).__name__}")


def _one_line(text: str) -> str:
    """Without control characters and line or paragraph separators; single spaces instead."""
    shown = (" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)
    return " ".join("".join(shown).split())
