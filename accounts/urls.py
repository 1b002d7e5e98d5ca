"""Addresses of this room; the sign-up stands in front of allauth's."""

from django.urls import path

from accounts import key_views, staff_views, views

app_name = "accounts"
urlpatterns = [
    path("accounts/age/", views.age, name="age"),
    path("accounts/age/advice/", views.age_advice, name="age_advice"),
    path("accounts/signup/", views.signup, name="signup"),
    path("accounts/locked/", views.locked, name="locked"),
    path("privacy/birth-date/", views.birth_date, name="birth_date"),
    path("privacy/devices/", views.devices, name="devices"),
    path("privacy/devices/end/", views.end_devices, name="end_devices"),
    path("privacy/devices/<slug:handle>/end/", views.end_device, name="end_device"),
    path("privacy/api-keys/", key_views.api_keys, name="api_keys"),
    path("privacy/api-keys/<slug:handle>/end/", key_views.end_api_key, name="end_api_key"),
    path("staff/children/report/", staff_views.report, name="report_child"),
]
