"""The mail that `make run` caught, to look at; exists in development only."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

NEWEST = 200


def read_mail(file: Path) -> dict[str, Any]:
    """One stored message as plain values; `to` is who it was really handed over for."""
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    bodies = {kind: message.get_body((kind,)) for kind in ("plain", "html")}
    texts = {kind: str(body.get_content()) if body else "" for kind, body in bodies.items()}
    return {
        "id": file.stem,
        "from": str(message["From"] or ""),
        "to": str(message["X-Envelope-To"] or message["To"] or ""),
        "subject": str(message["Subject"] or ""),
        "date": str(message["Date"] or ""),
        "headers": {name: str(value) for name, value in message.items()},
        **{kind: text.replace("\r\n", "\n") for kind, text in texts.items()},
    }


def caught_mail(folder: Path) -> list[dict[str, Any]]:
    """The newest messages, newest first; file names begin with the time of arrival."""
    return [read_mail(file) for file in sorted(folder.glob("*.eml"), reverse=True)[:NEWEST]]


@require_safe
@never_cache
def inbox(request: HttpRequest) -> HttpResponse:
    """The caught mail as a page, or as JSON with `?format=json`."""
    mails = caught_mail(Path(settings.KEPT_MAIL_FOLDER)) if settings.KEPT_MAIL_FOLDER else []
    if request.GET.get("format") == "json":
        return JsonResponse({"mails": mails})
    return render(request, "config/dev_mail.html", {"mails": mails})
