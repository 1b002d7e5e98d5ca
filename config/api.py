"""The front door of the API: every error below /api/ is a problem of RFC 9457, whoever found it.

Views' exceptions go through `as_problem`. What never reaches a view (an unknown address, a foreign
host, a failure in between) leaves the middleware `problems` in the same form. Nothing that was
sent, no exception's text and no key goes into an answer or a log. No CORS header is ever sent: the
API is for programs, and a page of another site has no business with a person's key.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from audit.api import Invalid, Problem, Refused
from policy.current import NoPolicy

PREFIX: Final = "/api/"
MEDIA_TYPE: Final = "application/problem+json"
RETRY_SECONDS: Final = 5
GetResponse = Callable[[HttpRequest], HttpResponse]
log = structlog.get_logger(__name__)


def as_problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """What a view raised, as its answer; None for what nobody foresaw, which becomes a bare 500."""
    foreseen = _foreseen(error)
    if foreseen is None:
        return None
    set_rollback()
    headers = {}
    if (challenge := getattr(foreseen, "auth_header", None)) is not None:
        headers["WWW-Authenticate"] = challenge
    if isinstance(foreseen, exceptions.Throttled):
        headers["Retry-After"] = str(math.ceil(getattr(foreseen, "wait", None) or 1))
    if foreseen.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_SECONDS)
    body = _body(foreseen)
    response = Response(
        body.model_dump(mode="json", exclude_none=True),
        status=foreseen.status_code,
        headers={**headers, "Cache-Control": "no-store"},
        content_type=MEDIA_TYPE,
    )
    setattr(response, "is_problem", True)  # noqa: B010  read by the middleware
    return response


def problems(get_response: GetResponse) -> GetResponse:
    """Below /api/ no error leaves as a page."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if (
            request.path.startswith(PREFIX)
            and response.status_code >= HTTPStatus.BAD_REQUEST
            and not getattr(response, "is_problem", False)
        ):
            return _bare(response)
        return response

    return middleware


@csrf_exempt
def unknown(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Every address below /api/ that nothing else claims."""
    told = _("There is nothing at this address.")
    if not request.path.endswith("/"):
        told = _("There is nothing at this address. All addresses here end with a slash.")
    return _problem(HTTPStatus.NOT_FOUND, told)


class Unavailable(exceptions.APIException):
    """Not now; a little later perhaps."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE


def _foreseen(error: Exception) -> exceptions.APIException | None:
    if isinstance(error, exceptions.APIException):
        return error
    if isinstance(error, Http404):
        return exceptions.NotFound(_("There is nothing at this address."))
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, RequestDataTooBig):
        return exceptions.ParseError()
    if isinstance(error, NoPolicy):
        return Unavailable(_("No policy has been published yet."))
    if isinstance(error, OperationalError | InterfaceError):
        log.error("api.database", error=type(error).__name__)
        return Unavailable(_("Try again in a moment."))
    return None


def _body(error: exceptions.APIException) -> Problem:
    detail = error.detail if isinstance(error.detail, str) else _("Some fields are wrong.")
    if isinstance(error, Refused):
        kind = error.kind
        return Problem(
            type=f"{settings.SITE_URL}{reverse('api_docs')}#{kind.code}",
            title=str(kind.title),
            status=kind.status,
            detail=str(detail),
            instance=_instance(),
            **error.more,
        )
    status = HTTPStatus(error.status_code)
    return Problem(
        type="about:blank",
        title=status.phrase,
        status=int(status),
        detail=str(detail),
        instance=_instance(),
        errors=error.errors if isinstance(error, Invalid) else None,
    )


def _bare(response: HttpResponse) -> HttpResponse:
    """The problem for an error that no view of ours saw; only its status and headers go on."""
    status = HTTPStatus(response.status_code)
    told = {
        HTTPStatus.BAD_REQUEST: _("The request is not one we can read."),
        HTTPStatus.NOT_FOUND: _("There is nothing at this address."),
        HTTPStatus.METHOD_NOT_ALLOWED: _("This address does not know that method."),
    }.get(status, _("Something went wrong here. Nothing more can be said."))
    found = _problem(status, told)
    for name in ("Allow", "Retry-After", "WWW-Authenticate"):
        if name in response:
            found[name] = response[name]
    return found


def _problem(status: HTTPStatus, detail: str) -> HttpResponse:
    body = Problem(
        type="about:blank",
        title=status.phrase,
        status=int(status),
        detail=detail,
        instance=_instance(),
    )
    response = HttpResponse(
        body.model_dump_json(exclude_none=True), status=int(status), content_type=MEDIA_TYPE
    )
    response["Cache-Control"] = "no-store"
    setattr(response, "is_problem", True)  # noqa: B010  read by the middleware
    return response


def _instance() -> str | None:
    """Names this one call: the request id that the logs have, too."""
    found = structlog.contextvars.get_contextvars().get("request_id")
    return f"urn:uuid:{UUID(found)}" if found else None
