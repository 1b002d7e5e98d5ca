"""The shared cache, and what holds while its server is away.

The cache counts calls for rate limits and holds nothing that matters otherwise. So a server that is
down must neither stop a page nor open a door: each process then counts for itself, in its own
memory, and asks the server again a few seconds later. Nobody waits for it meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

P = ParamSpec("P")
R = TypeVar("R")
AGAIN_AFTER = 5.0  # seconds
log = structlog.get_logger(__name__)


class SharedCache(RedisCache):
    """Django's cache on Redis or Valkey with a fallback."""

    away_until = 0.0  # monotonic; of the process, for Django makes one of these per thread

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._own = LocMemCache("while-away", {"KEY_PREFIX": params.get("KEY_PREFIX", "")})

    def _ask(self, name: str, shared: Callable[[], R], own: Callable[[], R]) -> R:
        if time.monotonic() < SharedCache.away_until:
            return own()
        try:
            return shared()
        except RedisError as error:
            SharedCache.away_until = time.monotonic() + AGAIN_AFTER
            log.warning("cache.away", operation=name, error=type(error).__name__)
            return own()


def _with_fallback(name: str) -> Callable[Concatenate[SharedCache, P], Any]:
    shared: Callable[Concatenate[SharedCache, P], Any] = getattr(RedisCache, name)

    @wraps(shared)
    def operation(self: SharedCache, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        own = getattr(self._own, name)
        return self._ask(name, lambda: shared(self, *args, **kwargs), lambda: own(*args, **kwargs))

    return operation


for _name in (
    "add", "get", "set", "touch", "delete", "get_many", "has_key", "incr", "set_many",
    "delete_many", "clear",
):  # fmt: skip
    setattr(SharedCache, _name, _with_fallback(_name))
