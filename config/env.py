"""Typed readers of environment variables: `NAME_FILE` for secrets, errors that name the cure."""

import math
import os
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


class Env:
    """Reads variables and collects every problem, so that one failed start tells all of them."""

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values
        self.problems: list[str] = []

    def problem(self, name: str, why: str, fix: str) -> None:
        self.problems.append(f"{name}: {why}. {fix}")

    def raise_problems(self) -> None:
        """Raises ImproperlyConfigured with one line per problem found so far."""
        if self.problems:
            lines = "\n".join(f"  - {line}" for line in self.problems)
            raise ImproperlyConfigured(f"Kept can't start with these settings:\n{lines}")

    def text(self, name: str, default: str = "") -> str:
        return self.values.get(name, "").strip() or default

    def secret(self, name: str, default: str = "") -> str:
        """The value of NAME, or the content of the file that NAME_FILE points to."""
        path = self.values.get(f"{name}_FILE", "").strip()
        if not path:
            return self.text(name, default)
        if self.values.get(name, "").strip():
            self.problem(name, f"both {name} and {name}_FILE are set", "Keep one of them.")
        try:
            return Path(path).read_text(encoding="utf-8").strip() or default
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not text"
            self.problem(f"{name}_FILE", f"the file can't be read ({why})", "Mount it readable.")
            return default

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.text(name).lower()
        if not value:
            return default
        if value not in TRUE | FALSE:
            self.problem(name, f"{value!r} is neither true nor false", "Write true or false.")
        return value in TRUE

    def number(self, name: str, default: float, *, least: float = 0) -> float:
        value = self.text(name)
        if not value:
            return default
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= least):
            self.problem(name, f"{value!r} is not a number of at least {least}", "Correct it.")
            return default
        return number

    def words(self, name: str) -> list[str]:
        return [word.strip() for word in self.secret(name).split(",") if word.strip()]


def entropy_bits(value: str) -> float:
    """Shannon entropy of the characters of `value`, in bits: a floor against `aaaa…`, no more."""
    counts = Counter(value)
    return -sum(n * math.log2(n / len(value)) for n in counts.values()) if value else 0.0


def site_url(env: Env, *, default: str) -> str:
    """SITE_URL without a trailing slash: scheme and host, no path."""
    value = env.text("SITE_URL", default).rstrip("/")
    parts = urlsplit(value)
    if value and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.path):
        env.problem("SITE_URL", f"{value!r} is no address", "Write it like https://example.com.")
    return value


def database(env: Env, *, as_owner: bool, process: str) -> dict[str, Any]:
    """Django's settings for DATABASE_URL, or for MIGRATE_DATABASE_URL when working as the owner.

    The web keeps a pool (so CONN_MAX_AGE is 0); the others keep one connection each, because
    Celery's prefork would close a pool after every task.
    """
    url = env.secret("DATABASE_URL")
    if as_owner:
        url = env.secret("MIGRATE_DATABASE_URL", url)
    # Without a database commands such as makemigrations still work: port 1 refuses at once.
    parsed = dict(environ.Env.db_url_config(url or "postgresql://nobody@127.0.0.1:1/none"))
    if parsed.get("ENGINE") != "django.db.backends.postgresql":
        env.problem("DATABASE_URL", "it is no Postgres address", "Write postgresql://….")
    options = parsed.setdefault("OPTIONS", {})
    options |= {"connect_timeout": 5, "application_name": f"kept-{process}"}
    if process == "web" and url:
        size = int(env.number("DATABASE_POOL_SIZE", 8, least=1))
        # While the database is away nobody waits long, and the pool goes on trying: left alone it
        # would double its pauses up to minutes. Broken connections are replaced unseen.
        options["pool"] = {"min_size": 1, "max_size": size, "timeout": 3, "reconnect_timeout": 2}
        return parsed | {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}
    return parsed | {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}


def mail_server(env: Env, *, default: str) -> dict[str, Any]:
    """Django's EMAIL_* settings for EMAIL_URL: smtp://, smtp+tls:// or smtp+ssl://."""
    url = env.secret("EMAIL_URL", default)
    names = ("EMAIL_HOST", "EMAIL_HOST_USER", "EMAIL_HOST_PASSWORD")
    empty: dict[str, Any] = dict.fromkeys(names, "")
    empty |= {"EMAIL_PORT": 25, "EMAIL_USE_TLS": False, "EMAIL_USE_SSL": False}
    if not url:
        return empty
    if not url.startswith(("smtp://", "smtp+tls://", "smtp+ssl://")):
        env.problem("EMAIL_URL", "it is no SMTP address", "Write smtp+tls://user:secret@host:587.")
        return empty
    parsed = environ.Env.email_url_config(url)
    return empty | {key: value for key, value in parsed.items() if key in empty and value}


env = Env(dict(os.environ))
