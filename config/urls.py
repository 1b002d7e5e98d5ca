"""Every address of the site; each room brings its own `urls.py`."""

from importlib.util import find_spec

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from config import api, health, hubs, openapi, wellknown

handler500 = "config.away.broken"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", hubs.front, name="front"),
    path("privacy/", hubs.privacy, name="privacy"),
    path("staff/", hubs.staff, name="staff"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path(".well-known/change-password", wellknown.change_password, name="change_password"),
    path(".well-known/security.txt", wellknown.security_text, name="security_text"),
    # Rooms first: a few of their pages stand in front of allauth's.
    *[
        path("", include(f"{room}.urls"))
        for room in settings.ROOMS
        if find_spec(f"{room}.urls") and room != "config"
    ],
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("config.v1")),
    path("api/schema/", openapi.schema, name="api_schema"),
    path("api/docs/", openapi.docs, name="api_docs"),
    path("api/docs/explorer/", openapi.explorer, name="api_explorer"),
    # The last one below api/: an error there is a problem, never a page.
    path("api/", api.unknown),
    path("api/<path:rest>", api.unknown),
]

if settings.DEVELOPMENT:
    from config import devmail

    urlpatterns.append(path("dev/mail/", devmail.inbox, name="dev_mail"))
