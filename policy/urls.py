"""Pages of the policy: what is promised, in which version, about which data, and whether kept."""

from django.urls import path

from policy import staff_views, views

app_name = "policy"
urlpatterns = [
    path("policy/", views.policy, name="policy"),
    path("policy/versions/", views.versions, name="versions"),
    path("policy/versions/<path:which>/policy.toml", views.source, name="source"),
    path("policy/versions/<path:which>/", views.version, name="version"),
    path("policy/promises/", views.promises, name="promises"),
    path("policy/promises/<str:promise_id>/", views.promise, name="promise"),
    path("policy/data/", views.data, name="data"),
    path("policy/accent.css", views.accent, name="accent"),
    path("staff/promises/", staff_views.staff_promises, name="staff_promises"),
    path("staff/promises/check/", staff_views.check_now, name="check_now"),
    path("staff/promises/<str:key>/", staff_views.staff_control, name="staff_control"),
]
