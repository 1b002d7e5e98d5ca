"""A letter as the bytes of an RFC 5322 message, and what can be read back from such bytes."""

from __future__ import annotations

from datetime import datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from django.conf import settings

from consent.letter import Letter

# Headers are written on one line each: Python's folding would encode a long address in
# List-Unsubscribe, which no mail program could read then. RFC 5322 2.1.1 allows 998.
_UNFOLDED = SMTP.clone(max_line_length=998)
_QUOTED = SMTP.clone(max_line_length=76)  # RFC 2045 6.7
SIGNATURE = "\n-- \n"  # RFC 3676 4.3
LINK_MARK = "(link)"


def to_bytes(
    letter: Letter, *, message_id: str, one_click: bool, language: str, now: datetime
) -> bytes:
    """The message as it leaves. one_click: a mail program's button stops it (RFC 2369, 8058)."""
    message = EmailMessage(policy=_QUOTED)
    message["From"] = Address(letter.sender, addr_spec=settings.DEFAULT_FROM_EMAIL)
    message["To"] = Address(addr_spec=letter.recipient)
    message["Reply-To"] = Address(addr_spec=letter.reply_to)
    message["Subject"] = letter.subject
    message["Date"] = now
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 5
    if one_click:
        message["List-Unsubscribe"] = f"<{letter.refusal}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(letter.body, subtype="plain", charset="utf-8", cte="quoted-printable")
    message["Content-Language"] = language  # setting the content drops what began with Content-
    return message.as_bytes(policy=_UNFOLDED)


def footer_of(raw: bytes, *, refusal: str) -> str:
    """What stands below the signature line of a message, its refusal link taken out.

    Read back from the bytes, so that it shows what left and not what was meant to leave.
    """
    parsed = message_from_bytes(raw, policy=SMTP)
    assert isinstance(parsed, EmailMessage)
    text: str = parsed.get_content().replace("\r\n", "\n")
    _, found, footer = text.rpartition(SIGNATURE)
    if not found:
        return ""
    return footer.replace(refusal, LINK_MARK).strip() if refusal else footer.strip()
