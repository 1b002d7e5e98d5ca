"""/healthz asks nothing; /readyz tells what is missing."""

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from config import health, tasks


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_migrated", False)
    cache.delete(tasks.HEARTBEAT_KEY)


@pytest.mark.django_db
def test_healthz_asks_the_database_nothing(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_readyz_is_ready_with_database_and_migrations(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.json() == {"ready": True, "database": True, "migrations": True}
    assert answer.status_code == 200


@pytest.mark.django_db
def test_readyz_works_with_the_rights_of_the_runtime_role(
    client: Client, runtime_role: str
) -> None:
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_readyz_is_red_while_a_migration_is_missing(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'audit'")
    answer = client.get("/readyz")
    assert answer.json() == {"ready": False, "database": True, "migrations": False}
    assert answer.status_code == 503


@pytest.mark.django_db
def test_readyz_worker_is_red_without_a_heartbeat(client: Client) -> None:
    answer = client.get("/readyz?worker=1")
    assert (answer.status_code, answer.json()["broker"], answer.json()["worker"]) == (
        503,
        True,
        False,
    )


@pytest.mark.django_db
def test_readyz_worker_is_green_after_a_heartbeat(client: Client) -> None:
    tasks.heartbeat()
    answer = client.get("/readyz?worker=1")
    assert (answer.status_code, answer.json()["worker"]) == (200, True)


@pytest.mark.django_db
@pytest.mark.parametrize(("age", "alive"), [(59, True), (61, False)])
def test_readyz_worker_believes_three_intervals(age: int, alive: bool) -> None:
    from datetime import timedelta

    from django.utils import timezone

    now = timezone.now()
    cache.set(tasks.HEARTBEAT_KEY, (now - timedelta(seconds=age)).timestamp())
    assert health.worker_ready(now=now) == {"broker": True, "worker": alive}


def test_post_is_refused(client: Client) -> None:
    assert client.post("/healthz").status_code == 405
