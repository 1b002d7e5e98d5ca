"""Settings: a missing or weak production setting stops the start and names the cure."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from config.env import Env, database, entropy_bits, mail_server, site_url

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "SECRET_KEY": "kTq3-xV8_mZ2yB7nR5wE9uP1oL4sD6fG0hJaKcXvNiQbWeYtUrM",
    "KEPT_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    "DATABASE_URL": "postgresql://kept_app@127.0.0.1:1/kept",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "EMAIL_URL": "smtp+tls://user:secret@mail.example.com:587",
    "DEFAULT_FROM_EMAIL": "privacy@example.com",
    "SITE_URL": "https://example.com",
    "ALLOWED_HOSTS": "example.com",
}


PRINT_ENV = (
    "import django; django.setup(); from django.conf import settings as s; print(s.KEPT_ENV)"
)


def start(code: str = PRINT_ENV, **values: str) -> "subprocess.CompletedProcess[str]":
    """Load the settings in a fresh process, with just these variables."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings", **values},
        capture_output=True,
        text=True,
        check=False,
    )


def problems(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """The names of the variables that the refusal lists."""
    lines = [line.strip() for line in done.stderr.splitlines()]
    return [line[2:].split(":")[0] for line in lines if line.startswith("- ")]


def test_production_is_the_default_and_names_everything_that_is_missing() -> None:
    done = start()
    assert done.returncode != 0
    assert "ImproperlyConfigured" in done.stderr
    assert sorted(problems(done)) == sorted(GOOD)


def test_production_starts_with_good_settings() -> None:
    done = start(**GOOD)
    assert (done.returncode, done.stdout.strip()) == (0, "production"), done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "ab" * 40),
        ("KEPT_ENCRYPTION_KEYS", "not-a-fernet-key"),
        ("KEPT_ENCRYPTION_KEYS", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("SITE_URL", "http://example.com"),
        ("SITE_URL", "https://example.com/path"),
        ("ALLOWED_HOSTS", "*"),
        ("DATABASE_URL", "sqlite:///x.db"),
        ("EMAIL_URL", "consolemail://"),
        ("DEBUG", "true"),
        ("DEBUG", "perhaps"),
        ("KEPT_ENV", "prod"),
        ("SECRET_KEY_FILE", "/nowhere"),
    ],
)
def test_production_refuses_a_weak_setting(name: str, value: str) -> None:
    done = start(**{**GOOD, name: value})
    assert done.returncode != 0
    assert name in problems(done)
    assert GOOD["SECRET_KEY"] not in done.stderr


@pytest.mark.parametrize(
    ("told", "count"),
    [
        ({}, "0"),
        ({"KEPT_BEHIND_PROXY": "true"}, "1"),
        ({"KEPT_BEHIND_PROXY": "true", "KEPT_PROXY_COUNT": "2"}, "2"),
    ],
)
def test_proxies_are_believed_only_when_there_are_some(told: dict[str, str], count: str) -> None:
    code = (
        "import django; django.setup(); from allauth import app_settings as a;"
        "print(a.TRUSTED_PROXY_COUNT)"
    )
    done = start(code, **GOOD, **told)
    assert (done.returncode, done.stdout.strip()) == (0, count), done.stderr


@pytest.mark.parametrize(
    "told",
    [{"KEPT_PROXY_COUNT": "1"}, {"KEPT_BEHIND_PROXY": "true", "KEPT_PROXY_COUNT": "0"}],
)
def test_proxy_count_that_fits_no_proxy_is_refused(told: dict[str, str]) -> None:
    assert problems(start(**GOOD, **told)) == ["KEPT_PROXY_COUNT"]


def test_secret_comes_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from the file\n")
    env = Env({"SECRET_KEY_FILE": str(file)})
    assert (env.secret("SECRET_KEY"), env.problems) == ("from the file", [])


def test_secret_given_twice_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("a")
    env = Env({"SECRET_KEY_FILE": str(file), "SECRET_KEY": "b"})
    env.secret("SECRET_KEY")
    assert env.problems == [
        "SECRET_KEY: both SECRET_KEY and SECRET_KEY_FILE are set. Keep one of them."
    ]


@pytest.mark.parametrize("value", ["nan", "inf", "x", "-1"])
def test_number_refuses_what_is_no_number(value: str) -> None:
    env = Env({"N": value})
    assert env.number("N", 7) == 7
    assert len(env.problems) == 1


def test_web_uses_a_pool_and_the_worker_one_connection() -> None:
    env = Env({"DATABASE_URL": "postgresql://app:p%40ss@db.example.com:5433/kept?sslmode=require"})
    web = database(env, as_owner=False, process="web")
    worker = database(env, as_owner=False, process="worker")
    assert (web["CONN_MAX_AGE"], web["OPTIONS"]["pool"]["max_size"]) == (0, 8)
    assert (worker["CONN_MAX_AGE"], "pool" in worker["OPTIONS"]) == (600, False)
    assert (worker["PASSWORD"], worker["PORT"]) == ("p@ss", 5433)
    assert worker["OPTIONS"]["sslmode"] == "require"


def test_owner_uses_its_own_address() -> None:
    env = Env(
        {
            "DATABASE_URL": "postgresql://kept_app@h/kept",
            "MIGRATE_DATABASE_URL": "postgresql://kept_owner@h/kept",
        }
    )
    assert database(env, as_owner=False, process="command")["USER"] == "kept_app"
    assert database(env, as_owner=True, process="command")["USER"] == "kept_owner"


def test_mail_server_reads_user_and_encryption() -> None:
    found = mail_server(Env({"EMAIL_URL": GOOD["EMAIL_URL"]}), default="")
    assert found == {
        "EMAIL_HOST": "mail.example.com",
        "EMAIL_HOST_USER": "user",
        "EMAIL_HOST_PASSWORD": "secret",
        "EMAIL_PORT": 587,
        "EMAIL_USE_TLS": True,
        "EMAIL_USE_SSL": False,
    }


def test_site_url_loses_its_slash() -> None:
    assert site_url(Env({"SITE_URL": "https://example.com/"}), default="") == "https://example.com"


def test_entropy_tells_random_from_repeated() -> None:
    assert entropy_bits("aaaa") == 0
    assert entropy_bits("") == 0
    assert entropy_bits(GOOD["SECRET_KEY"]) > 200


def test_every_variable_is_documented() -> None:
    """Each variable that the code reads stands in the operators' table, and none else does."""
    reader = r"env\.(?:text|secret|flag|number|words)|os\.environ\.(?:get|setdefault)"
    call, index = rf'(?:{reader})\(\s*"([A-Z_]+)"', r'os\.environ\["([A-Z_]+)"\]'
    code = "".join(path.read_text() for path in sorted((ROOT / "config").rglob("*.py")))
    read = {found for pattern in (call, index) for found in re.findall(pattern, code)}
    assert {"SITE_URL", "KEPT_ENCRYPTION_KEYS", "KEPT_STATE_DIR"} <= read
    text = (ROOT / "docs/operators.md").read_text().partition("## Settings")[2]
    names = set(re.findall(r"`([A-Z][A-Z_]{3,})`", text.partition("\n## ")[0]))
    assert names - {"NAME_FILE", "INFO"} == read
