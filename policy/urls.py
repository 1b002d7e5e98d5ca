"""Pages of the policy: what is promised, in which version, about which data, and whether kept."""

from django.urls import path

from policy import views

app_name = "policy"
urlpatterns = [
    path("policy/", views.policy, name="policy"),
    path("policy/versions/", views.versions, name="versions"),
    path("policy/versions/<path:which>/policy.toml", views.source, name="source"),
    path("policy/versions/<path:which>/", views.version, name="version"),
    path("policy/promises/", views.promises, name="promises"),
    path("policy/data/", views.data, name="data"),
    path("policy/accent.css", views.accent, name="accent"),
    path("staff/promises/", views.staff_promises, name="staff_promises"),
    path("staff/promises/<str:key>/", views.staff_control, name="staff_control"),
]
