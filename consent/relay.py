"""The SMTP relay: hands one message over and says what is known about it afterwards."""

from __future__ import annotations

import enum
import smtplib
import socket
import time
from dataclasses import dataclass
from types import TracebackType

from django.conf import settings
from django.core.mail.backends.smtp import EmailBackend

# A consent row is locked meanwhile: one handing-over as a whole takes no longer, in seconds.
LONGEST = 5.0


class Known(enum.Enum):
    """What is known of a message after trying."""

    TAKEN = "the relay took it"
    LATER = "not taken; another time it may be"
    NEVER = "not taken, and never will be"
    UNKNOWN = "its words were on the way when the connection ended"


@dataclass(frozen=True)
class Outcome:
    """What is known, and a short code such as `smtp-550`, without anything personal."""

    known: Known
    code: str = ""


class RelayUnreachable(Exception):
    """No connection to the relay, or it does not let us in; `code` says how."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(f"the mail relay can't be used: {code}")


class Relay:
    """One connection, opened when first needed and again after it broke."""

    def __init__(self) -> None:
        self._smtp: smtplib.SMTP | None = None
        self._backend: EmailBackend | None = None

    def __enter__(self) -> Relay:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def open(self) -> smtplib.SMTP:
        """Connect, encrypt and log in as the settings say. Raises `RelayUnreachable`."""
        if self._smtp is not None:
            return self._smtp
        backend = EmailBackend(timeout=min(settings.EMAIL_TIMEOUT or LONGEST, LONGEST))
        try:
            backend.open()
            assert backend.connection is not None
            backend.connection.ehlo_or_helo_if_needed()
        except smtplib.SMTPResponseException as error:
            raise RelayUnreachable(f"smtp-{error.smtp_code}") from None
        except (OSError, smtplib.SMTPException) as error:
            raise RelayUnreachable(type(error).__name__) from None
        self._backend, self._smtp = backend, backend.connection
        return self._smtp

    def hand_over(self, *, recipient: str, raw: bytes) -> Outcome:
        """Offer one message. Raises `RelayUnreachable` only before anything was said."""
        smtp = self.open()
        end = time.monotonic() + LONGEST
        try:
            _patience(smtp, end)
            code, _ = smtp.mail(settings.DEFAULT_FROM_EMAIL)
            if code != 250:
                # Our own address is not let through: nothing the recipient can help.
                return self._refused(Known.LATER, code)
            _patience(smtp, end)
            code, _ = smtp.rcpt(recipient)
            if code not in (250, 251):
                return self._refused(Known.NEVER if code >= 500 else Known.LATER, code)
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            return Outcome(Known.LATER, type(error).__name__)
        return self._give_words(smtp, raw, end)

    def _give_words(self, smtp: smtplib.SMTP, raw: bytes, end: float) -> Outcome:
        try:
            _patience(smtp, end)
            code, _ = smtp.data(raw)
        except smtplib.SMTPDataError as error:  # the answer to DATA itself: no words were given
            return self._refused(
                Known.NEVER if error.smtp_code >= 500 else Known.LATER, error.smtp_code
            )
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            return Outcome(Known.UNKNOWN, type(error).__name__)
        if code == 250:
            return Outcome(Known.TAKEN)
        return self._refused(Known.NEVER if code >= 500 else Known.LATER, code)

    def _refused(self, known: Known, code: int) -> Outcome:
        assert self._smtp is not None
        try:
            self._smtp.rset()
        except (OSError, smtplib.SMTPException):
            self.close()
        return Outcome(known, f"smtp-{code}")

    def close(self) -> None:
        """End the connection; a broken one is dropped."""
        backend, self._backend, self._smtp = self._backend, None, None
        if backend is None:
            return
        try:
            backend.close()
        except (OSError, smtplib.SMTPException):
            return


def _patience(smtp: smtplib.SMTP, end: float) -> None:
    """Let the next step take what is left of the time."""
    if isinstance(smtp.sock, socket.socket):
        smtp.sock.settimeout(max(0.05, end - time.monotonic()))
