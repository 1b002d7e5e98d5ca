"""While the cache's server is away nobody waits, nothing breaks, and limits still hold."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client
from django.urls import reverse
from redis.exceptions import RedisError

from accounts.models import User
from config.cache import SharedCache
from policy.models import PolicyVersion
from tests.factories.accounts import member
from tests.factories.api import caller, put

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def away(settings: Any) -> Iterator[None]:
    """A server where nobody listens."""
    options = {"LOCATION": NOWHERE, "KEY_PREFIX": "away", "OPTIONS": {"socket_timeout": 1}}
    settings.CACHES = {
        "default": {"BACKEND": "config.cache.SharedCache", **options},
        "strict": {"BACKEND": "django.core.cache.backends.redis.RedisCache", **options},
    }
    SharedCache.away_until = 0.0
    yield
    caches["default"].clear()
    SharedCache.away_until = 0.0


@pytest.fixture
def user(wecustomers: PolicyVersion) -> User:
    return member()


def test_process_counts_for_itself(away: None) -> None:
    cache = caches["default"]
    assert cache.add("calls", 0)
    assert not cache.add("calls", 0)
    assert [cache.incr("calls") for _call in range(3)] == [1, 2, 3]
    assert (cache.get("calls"), cache.get("other", "none")) == (3, "none")
    cache.delete("calls")
    with pytest.raises(ValueError, match="calls"):
        cache.incr("calls")


def test_server_is_left_alone_for_a_while(away: None, monkeypatch: pytest.MonkeyPatch) -> None:
    cache: Any = caches["default"]
    tried: list[Any] = []

    def get(self: Any, *args: Any) -> Any:
        tried.append(args)
        raise RedisError

    monkeypatch.setattr(type(cache._cache), "get", get)
    for _call in range(5):
        assert cache.get("x") is None
    assert len(tried) == 1
    SharedCache.away_until = 0.0
    cache.get("x")
    assert len(tried) == 2


def test_who_needs_to_know_is_told(away: None) -> None:
    with pytest.raises(RedisError):
        caches["strict"].get("x")


def test_api_and_log_in_answer_and_still_count(away: None, user: User, settings: Any) -> None:
    settings.KEPT_API_CALLS_PER_KEY = 4
    time.sleep(max(0, 5 - (60 - time.time() % 60)) and 60 - time.time() % 60)
    program, started = caller(user), time.monotonic()
    address = "/api/v1/me/choices/mail/service-news/"
    digest = program.get(address).json()["words"]["digest"]
    assert put(program, address, {"on": True, "words_digest": digest}).status_code == 200
    assert put(program, address, {"on": False}).status_code == 200
    assert [program.get(address).status_code for _call in range(2)] == [200, 429]
    wrong = {"login": user.email, "password": "wrong"}
    statuses = [Client().post(reverse("account_login"), wrong).status_code for _try in range(25)]
    assert set(statuses) <= {200, 429}
    assert statuses[0] == 200
    assert time.monotonic() - started < 20
