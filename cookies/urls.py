"""Addresses of this room."""

from django.urls import path

from cookies import views

app_name = "cookies"
urlpatterns = [path("cookies/", views.cookies, name="cookies")]
