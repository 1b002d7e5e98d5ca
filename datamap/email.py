"""One spelling for every e-mail address, decided in Python before it is stored or compared."""

from __future__ import annotations

import idna
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

LONGEST_LOCAL = 64  # RFC 5321 4.5.3.1.1, in octets
LONGEST = 254  # RFC 5321 4.5.3.1.3 as corrected by erratum 1690, in octets


def normalise_email(raw: str) -> str:
    """The address as we store it: trimmed, lower case, the domain in its ASCII form.

    Local parts are compared without case although RFC 5321 2.4 would allow a difference: no
    provider relies on it, and two accounts for one mailbox would be worse.

    Raises `ValidationError` in words for the person when this is no address.
    """
    address = raw.strip()
    local, at, domain = address.rpartition("@")
    if at and not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except idna.IDNAError:
            domain = ""
    address = f"{local}@{domain}".lower() if at else address
    too_long = len(local.encode()) > LONGEST_LOCAL or len(address.encode()) > LONGEST
    if too_long or "\x00" in address or any(map(str.isspace, address)):
        raise ValidationError(_("Enter one e-mail address, such as name@example.com."))
    try:
        validate_email(address)
    except ValidationError:
        raise ValidationError(_("Enter one e-mail address, such as name@example.com.")) from None
    return address
