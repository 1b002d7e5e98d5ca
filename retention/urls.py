"""Addresses of this room, from the root."""

from django.urls import path

from retention import case_views, sweep_views, views

app_name = "retention"
urlpatterns = [
    path("contest/<slug:token>/", views.contest, name="contest"),
    path("contest/<slug:token>/parent/", views.ask_parent, name="ask_parent"),
    path("staff/retention/", sweep_views.sweeps, name="sweeps"),
    path("staff/retention/dry-run/", sweep_views.dry_run, name="dry_run"),
    path("staff/retention/runs/", sweep_views.run_list, name="runs"),
    path("staff/retention/runs/<slug:reference>/", sweep_views.run, name="run"),
    path("staff/retention/brakes/<slug:reference>/", sweep_views.brake_page, name="brake"),
    path(
        "staff/retention/brakes/<slug:reference>/release/",
        sweep_views.release_brake,
        name="release_brake",
    ),
    path(
        "staff/retention/brakes/<slug:reference>/stop/", sweep_views.stop_brake, name="stop_brake"
    ),
    path("staff/children/", case_views.cases, name="cases"),
    path("staff/children/<slug:reference>/", case_views.case, name="case"),
    path("staff/children/<slug:reference>/release/", case_views.release, name="release"),
    path("staff/children/<slug:reference>/confirm/", case_views.confirm, name="confirm"),
    path("staff/children/<slug:reference>/parent/", case_views.parent, name="parent"),
]
