"""docker-compose.yml, as far as it can be judged without a container engine."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_all_processes_are_there() -> None:
    wanted = {"postgres", "valkey", "mail", "migrate", "web", "worker", "beat"}
    assert set(SERVICES) == wanted


@pytest.mark.parametrize("name", ["postgres", "valkey"])
def test_servers_of_data_have_no_way_in_or_out(name: str) -> None:
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert SERVICES[name]["networks"] == ["inside"]
    assert "ports" not in SERVICES[name]


def test_only_web_listens_and_only_on_this_host() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports == {"web": ["127.0.0.1:8000:8000"]}


def test_no_secret_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|KEY|DATABASE_URL|REDIS_URL", name):
                assert name.endswith("_FILE"), name
                assert value.startswith("/run/secrets/")
    made = (ROOT / "config/docker/make-secrets").read_text(encoding="utf-8")
    assert set(re.findall(r"^make (\w+)", made, re.MULTILINE)) == set(COMPOSE["secrets"])


def test_secrets_of_a_service_are_declared_and_only_migrate_is_the_owner() -> None:
    holders = {name: set(service.get("secrets", [])) for name, service in SERVICES.items()}
    assert set().union(*holders.values()) == set(COMPOSE["secrets"])
    owners = {name for name, secrets in holders.items() if "migrate_database_url" in secrets}
    assert owners == {"migrate"}


def test_everything_that_stays_is_watched() -> None:
    image_checks = {"web"}  # the Dockerfile's own
    unwatched = {n for n, s in SERVICES.items() if "test" not in s.get("healthcheck", {})}
    assert unwatched == image_checks | {"migrate"}


def test_containers_of_ours_run_without_rights() -> None:
    ours = [service for service in SERVICES.values() if service["image"] == "kept:latest"]
    assert len(ours) == 4
    assert all(service["read_only"] and service["cap_drop"] == ["ALL"] for service in ours)
    assert re.search(r"^USER kept$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
