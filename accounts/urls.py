"""Addresses of this room; the sign-up stands in front of allauth's."""

from django.urls import path

from accounts.views import birth_date, children, devices, keys, registration

app_name = "accounts"
urlpatterns = [
    path("accounts/age/", registration.age, name="age"),
    path("accounts/age/advice/", registration.age_advice, name="age_advice"),
    path("accounts/signup/", registration.signup, name="signup"),
    path("accounts/locked/", registration.locked, name="locked"),
    path("privacy/birth-date/", birth_date.birth_date, name="birth_date"),
    path("privacy/devices/", devices.devices, name="devices"),
    path("privacy/devices/end/", devices.end_devices, name="end_devices"),
    path("privacy/devices/<slug:handle>/end/", devices.end_device, name="end_device"),
    path("privacy/api-keys/", keys.api_keys, name="api_keys"),
    path("privacy/api-keys/<slug:handle>/end/", keys.end_api_key, name="end_api_key"),
    path("staff/children/report/", children.report, name="report_child"),
]
