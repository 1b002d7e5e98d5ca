"""Addresses of this room, from the root."""

from django.urls import path

from retention import staff_views, views

app_name = "retention"
urlpatterns = [
    path("contest/<slug:token>/", views.contest, name="contest"),
    path("staff/retention/", staff_views.sweeps, name="sweeps"),
    path("staff/retention/dry-run/", staff_views.dry_run, name="dry_run"),
    path("staff/children/", staff_views.cases, name="cases"),
    path("staff/children/<slug:reference>/", staff_views.case, name="case"),
    path("staff/children/<slug:reference>/release/", staff_views.release, name="release"),
    path("staff/children/<slug:reference>/confirm/", staff_views.confirm, name="confirm"),
    path("staff/children/<slug:reference>/parent/", staff_views.parent, name="parent"),
]
