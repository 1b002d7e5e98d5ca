"""A real SMTP server in the test process, which keeps what it took and can be told to misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from config.programs import free_port


@dataclass
class Mailbox:
    """Handler of an aiosmtpd server.

    rcpt, data: the answers to RCPT and to the end of DATA. before_answer: called (in the
    server's thread) once the words have arrived, before they are acknowledged. hang_up: the
    connection ends at that point without an answer.
    """

    taken: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    rcpt: str = "250 OK"
    data: str = "250 OK"
    hang_up: bool = False
    before_answer: Callable[[], None] = lambda: None

    async def handle_RCPT(  # noqa: N802  the name aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(  # noqa: N802  the name aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.original_content, bytes)
        # Taken before it is acknowledged: a client that dies meanwhile can't know.
        if self.data.startswith("250"):
            self.taken.append(envelope.original_content)
            self.recipients += envelope.rcpt_tos
        await asyncio.get_running_loop().run_in_executor(None, self.before_answer)
        if self.hang_up:
            assert server.transport is not None
            server.transport.close()
        return self.data

    @property
    def messages(self) -> list[EmailMessage]:
        """What it took, parsed."""
        return [_parsed(raw) for raw in self.taken]


def _parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.SMTP)
    assert isinstance(message, EmailMessage)
    return message


class Server:
    """An SMTP server on a port of its own, to be started and stopped."""

    def __init__(self, port: int) -> None:
        self.mailbox = Mailbox()
        self.port = port
        self._controller: Any = None

    def start(self) -> None:
        self._controller = Controller(self.mailbox, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None


@pytest.fixture
def smtp(settings: Any) -> Iterator[Server]:
    """A running SMTP server, which the settings name as the relay."""
    port = free_port()
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    server = Server(port)
    server.start()
    yield server
    server.stop()
