"""Addresses of this room, from the root. References and tokens are matched by their alphabet."""

from django.urls import path, register_converter

from requests import copy_views, staff_views, views


class Reference:
    """A request's random name: twelve of Crockford's letters and digits."""

    regex = "[0-9A-HJKMNP-TV-Z]{12}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class Token(Reference):
    """The secret of a status link."""

    regex = "[A-Za-z0-9_-]{43}"


register_converter(Reference, "reference")
register_converter(Token, "statustoken")

app_name = "requests"
urlpatterns = [
    path("privacy/data/", views.data, name="data"),
    path("privacy/data/copy/", copy_views.copy, name="copy"),
    path("privacy/delete/", views.delete, name="delete"),
    path("privacy/requests/", views.own_list, name="list"),
    path("privacy/requests/<reference:reference>/", views.own, name="own"),
    path(
        "privacy/requests/<reference:reference>/withdraw/", views.own_withdraw, name="own_withdraw"
    ),
    path("privacy/requests/<reference:reference>/package/", copy_views.package, name="package"),
    path("requests/<statustoken:token>/", views.status, name="status"),
    path("requests/<statustoken:token>/withdraw/", views.status_withdraw, name="status_withdraw"),
    path("staff/requests/", staff_views.desk, name="desk"),
    path("staff/requests/<reference:reference>/", staff_views.case, name="case"),
    path("staff/requests/<reference:reference>/claim/", staff_views.claim, name="claim"),
    path("staff/requests/<reference:reference>/release/", staff_views.release, name="release"),
    path("staff/requests/<reference:reference>/approve/", staff_views.approve, name="approve"),
    path("staff/requests/<reference:reference>/deny/", staff_views.deny, name="deny"),
    path("staff/requests/<reference:reference>/extend/", staff_views.extend, name="extend"),
]
