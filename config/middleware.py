"""What every answer gets: a request id, and under /admin/ a policy that its scripts survive."""

import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

GetResponse = Callable[[HttpRequest], HttpResponse]


def request_id(get_response: GetResponse) -> GetResponse:
    """Give each request an id of ours, for its logs, for its tasks, and for people to quote."""

    def middleware(request: HttpRequest) -> HttpResponse:
        structlog.contextvars.clear_contextvars()
        identifier = uuid.uuid4().hex
        structlog.contextvars.bind_contextvars(request_id=identifier)
        response = get_response(request)
        response["X-Request-ID"] = identifier
        return response

    return middleware


def admin_without_trusted_types(get_response: GetResponse) -> GetResponse:
    """Django's admin assigns HTML strings; superusers get it under the rest of the policy only."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.path.startswith("/admin/"):
            dropped = {"require-trusted-types-for": None, "trusted-types": None}
            replace = getattr(response, "_csp_replace", None) or {}
            setattr(response, "_csp_replace", replace | dropped)  # noqa: B010  django-csp's hook
        return response

    return middleware


# Below these everything is about the person who is signed in or holds a link. allauth's own pages
# are among them, and show addresses and recovery codes without a word to caches.
PERSONAL_PATHS = (
    "/accounts/",
    "/api/v1/me/",
    "/api/v1/people/",
    "/people/",
    "/privacy/",
    "/requests/",
    "/contest/",
    "/guardians/",
    "/staff/",
)


def personal_pages(get_response: GetResponse) -> GetResponse:
    """Personal pages, their errors included, are never stored and never indexed (WC-7)."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.path.startswith(PERSONAL_PATHS):
            response["Cache-Control"] = "private, no-store"
            response["X-Robots-Tag"] = "noindex, noarchive"
        return response

    return middleware
