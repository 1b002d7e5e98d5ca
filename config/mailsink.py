"""The mail server of `make run`: takes every message by real SMTP and puts it into a folder."""

import argparse
import secrets
import signal
import time
from email.utils import formatdate
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

MOST_BYTES = 25 * 1024 * 1024


class Sink:
    """Stores each message as it came, under the addresses it was handed over for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        store(self.folder, envelope)
        return "250 Message accepted"


def store(folder: Path, envelope: Envelope) -> Path:
    """Write one message whole or not at all; names sort by time of arrival."""
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}.eml"
    recipients = ", ".join(envelope.rcpt_tos)
    lines = f"X-Envelope-To: {recipients}\r\nX-Envelope-From: {envelope.mail_from or '<>'}\r\n"
    received = f"Received: by kept (local mail sink); {formatdate()}\r\n"
    content = envelope.original_content or b""
    draft = folder / f".{name}"
    draft.touch(mode=0o600)
    draft.write_bytes((lines + received).encode("utf-8", "surrogateescape") + content)
    return draft.rename(folder / name)


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stops = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    controller = Controller(
        Sink(options.folder),
        hostname="127.0.0.1",
        port=options.port,
        data_size_limit=MOST_BYTES,
        enable_SMTPUTF8=True,
    )
    controller.start()
    signal.sigwait(stops)
    controller.stop()


if __name__ == "__main__":
    main()
