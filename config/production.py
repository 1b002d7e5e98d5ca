"""What a production start insists on."""

from collections.abc import Mapping
from typing import Any

from cryptography.fernet import Fernet

from config.env import Env, entropy_bits

KEY_COMMAND = (
    'python -c "from cryptography.fernet import Fernet as F; print(F.generate_key().decode())"'
)


def check(env: Env, *, settings: Mapping[str, Any]) -> None:
    """Note every missing or weak setting in `env.problems`, each with its cure."""
    _check_secrets(env, settings)
    _check_services(env)
    if settings["DEBUG"]:
        env.problem("DEBUG", "it shows visitors the insides of the site", "Remove it.")
    if not settings["SITE_URL"]:
        env.problem("SITE_URL", "it is missing", "Set it to the public https:// address.")
    elif not settings["HTTPS"]:
        env.problem("SITE_URL", "it is not https", "Cookies and tokens need TLS: use https://.")
    hosts = settings["ALLOWED_HOSTS"]
    if not hosts:
        env.problem("ALLOWED_HOSTS", "it is missing", "Name the host, such as example.com.")
    if any(host in {"*", "."} for host in hosts):
        env.problem("ALLOWED_HOSTS", "it lets any Host header in", "Name the hosts.")


def _check_secrets(env: Env, settings: Mapping[str, Any]) -> None:
    key = settings["SECRET_KEY"]
    if not key:
        env.problem(
            "SECRET_KEY", "it is missing", "Set it (or SECRET_KEY_FILE) to 50+ random characters."
        )
    elif len(key) < 50 or entropy_bits(key) < 150 or key.startswith("django-insecure"):
        env.problem("SECRET_KEY", "it is weak", "Use 50 or more random characters.")
    keys = settings["KEPT_ENCRYPTION_KEYS"]
    if not keys:
        env.problem("KEPT_ENCRYPTION_KEYS", "it is missing", f"Make one: {KEY_COMMAND}")
    for number, value in enumerate(keys, start=1):
        try:
            Fernet(value)
        except ValueError:
            env.problem(
                "KEPT_ENCRYPTION_KEYS", f"key {number} is no Fernet key", f"Make one: {KEY_COMMAND}"
            )
        else:
            if entropy_bits(value) < 100:
                env.problem(
                    "KEPT_ENCRYPTION_KEYS", f"key {number} is weak", f"Make one: {KEY_COMMAND}"
                )


def _check_services(env: Env) -> None:
    cures = {
        "DATABASE_URL": "Set it to postgresql://kept_app:…@host/kept (the runtime role).",
        "REDIS_URL": "Set it to redis://:…@host:6379/0 (Valkey or Redis).",
        "EMAIL_URL": "Set it to smtp+tls://user:…@host:587.",
        "DEFAULT_FROM_EMAIL": "Set it to the address that mail comes from.",
    }
    for name, cure in cures.items():
        if not env.secret(name):
            env.problem(name, "it is missing", cure)
