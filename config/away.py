"""What people see when a page breaks: a fault of ours, or a database that is away for a moment."""

from __future__ import annotations

import sys

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import requires_csrf_token
from django.views.defaults import server_error

log = structlog.get_logger(__name__)
AGAIN_AFTER = 10  # seconds, told to programs (RFC 9110 10.2.3)


@requires_csrf_token
def broken(request: HttpRequest) -> HttpResponse:
    """503 when the database can't be reached or gave up, 500 for everything else.

    Django calls this while the exception is being handled.
    """
    error = sys.exc_info()[1]
    if not isinstance(error, OperationalError | InterfaceError):
        return server_error(request)
    log.warning("page.database_away", error=type(error).__name__)
    # Without the request: what a page usually shows around itself may need the database.
    answer = HttpResponse(render_to_string("503.html"), status=503)
    answer["Retry-After"] = str(AGAIN_AFTER)
    answer["Cache-Control"] = "no-store"
    return answer
