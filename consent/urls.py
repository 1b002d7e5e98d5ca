"""Addresses of this room."""

from django.urls import path

from consent import views

app_name = "consent"
urlpatterns = [
    path("privacy/choices/", views.choices, name="choices"),
    path(
        "privacy/choices/transfer/<slug:key>/withdraw/",
        views.withdraw_transfer,
        name="withdraw_transfer",
    ),
    path("privacy/choices/<slug:kind>/<slug:key>/", views.history, name="history"),
    path("unsubscribe/<str:token>/", views.unsubscribe, name="unsubscribe"),
]
