"""While the database is away: a plain page with 503, and 500 only for faults of our own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path

from config import away
from config.urls import urlpatterns as ours


def raises(error: Exception) -> Callable[[HttpRequest], HttpResponse]:
    def view(request: HttpRequest) -> HttpResponse:
        raise error

    return view


urlpatterns = [
    path("lost/", raises(OperationalError("server closed the connection unexpectedly"))),
    path("closed/", raises(InterfaceError("connection already closed"))),
    path("fault/", raises(RuntimeError("a fault"))),
    *ours,
]
handler500 = "config.away.broken"


@pytest.mark.urls("tests.config.test_away")
@pytest.mark.parametrize("address", ["/lost/", "/closed/"])
def test_database_away_is_told_in_a_plain_page(address: str) -> None:
    answer = Client(raise_request_exception=False).get(address)
    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    assert answer["Cache-Control"] == "no-store"
    page = answer.content.decode()
    assert "We are away for a moment" in page
    assert "server closed" not in page
    assert "Traceback" not in page


@pytest.mark.urls("tests.config.test_away")
def test_fault_of_ours_stays_a_500() -> None:
    answer = Client(raise_request_exception=False).get("/fault/")
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.content.decode()


def test_page_needs_no_database() -> None:
    """Without the `db` mark any query fails."""
    try:
        raise OperationalError("gone")
    except OperationalError:
        answer = away.broken(RequestFactory().get("/"))
    assert answer.status_code == 503
