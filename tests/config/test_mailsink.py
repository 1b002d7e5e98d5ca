"""The mail sink takes real SMTP; /dev/mail/ reads what it stored."""

import smtplib
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from config.devmail import caught_mail
from config.processes import end_family, wait_until
from config.programs import CHECKOUT, free_port


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "config.mailsink",
        "--port",
        str(port),
        "--folder",
        str(tmp_path),
    ]
    process = subprocess.Popen(command, cwd=CHECKOUT)

    def answers() -> bool:
        try:
            smtplib.SMTP("127.0.0.1", port, timeout=2).close()
        except OSError:
            return False
        return True

    assert wait_until(answers, seconds=20)
    yield port, tmp_path
    end_family(process.pid, patience=5)
    assert process.wait() == 0


def test_message_arrives_whole(sink: tuple[int, Path]) -> None:
    port, folder = sink
    message = EmailMessage()
    message["From"], message["To"] = "Kept <privacy@example.com>", "Ada <ada+x@example.com>"
    message["Subject"] = "Grüße — deletion is done"
    message.set_content("Line one.\nhttp://localhost/requests/abc/\n")
    message.add_alternative("<p>Line one.</p>", subtype="html")
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
        client.send_message(message, to_addrs=["ada+x@example.com"])
    (caught,) = caught_mail(folder)
    assert caught["to"] == "ada+x@example.com"
    assert caught["subject"] == "Grüße — deletion is done"
    assert caught["plain"] == "Line one.\nhttp://localhost/requests/abc/\n"
    assert caught["html"].strip() == "<p>Line one.</p>"
    assert caught["headers"]["From"] == "Kept <privacy@example.com>"


def test_newest_mail_comes_first(sink: tuple[int, Path]) -> None:
    port, folder = sink
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
        for number in range(3):
            client.sendmail("a@example.com", "b@example.com", f"Subject: {number}\r\n\r\nx")
    assert [mail["subject"] for mail in caught_mail(folder)] == ["2", "1", "0"]
