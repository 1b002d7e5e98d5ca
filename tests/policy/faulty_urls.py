"""The site's addresses with two that don't serve what they should."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path


def altered(request: HttpRequest, which: str) -> HttpResponse:
    return HttpResponse(b"format = 1\n", content_type="text/plain")


def gone(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Gone for lunch.", status=404)


urlpatterns = [
    path("policy/versions/<path:which>/policy.toml", altered),
    path("policy/", gone),
    path("", include("config.urls")),
]
