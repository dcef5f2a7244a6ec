"""Counts what happens within fixed windows of time: in this process, or in a Redis that several servers share."""

from __future__ import annotations

import functools
import math
import time
from typing import Any

import msgspec
import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string

from pipelines.errors import ConfigError

PREFIX = "voicecore"  # of the keys in Redis
TIMEOUT_S = 0.5  # for Redis to answer; a request does not wait longer
AGAIN_S = 10.0  # without Redis: so long is counted here before it is asked again
SCHEMES = ("redis", "rediss", "redis+unix")

log = structlog.get_logger(__name__)


class Count(msgspec.Struct, frozen=True):
    """What a rate had left after it was asked for. `reset_at`, when the window begins anew, in unix seconds;
    `retry_after_s` whole seconds until then, the window's length at most."""

    limit: int
    remaining: int
    reset_at: int
    retry_after_s: int
    allowed: bool


@functools.cache
def _item(namespace: str, rate: str) -> RateLimitItem:
    item = parse(rate)
    item.namespace = namespace
    return item


class Windows:
    """`url`: of a Redis ("redis://host:6379/0"); "" counts in this process. When Redis does not answer, each process
    counts for itself until it does: nobody is refused for that. Raises ConfigError for another kind of URL."""

    def __init__(self, url: str = "") -> None:
        self._here = FixedWindowRateLimiter(MemoryStorage())
        self._redis = _redis(url) if url else None
        self._shared = FixedWindowRateLimiter(self._redis) if self._redis is not None else None
        self._alone_until = 0.0  # monotonic seconds

    async def close(self) -> None:
        if self._redis is not None:
            bridge: Any = self._redis.bridge  # of redis-py: its type is the common one of three packages
            await bridge.get_connection().aclose()

    async def hit(self, namespace: str, rate: str, *key: str) -> Count:
        """Count one against a rate like "10 per hour"."""
        return await self._asked(_item(namespace, rate), key, count=True)

    async def look(self, namespace: str, rate: str, *key: str) -> Count:
        """What is left, without counting. `allowed`: one more would be."""
        return await self._asked(_item(namespace, rate), key, count=False)

    async def _asked(self, item: RateLimitItem, key: tuple[str, ...], *, count: bool) -> Count:
        if self._shared is not None and time.monotonic() >= self._alone_until:
            try:
                return await _count(self._shared, item, key, count)
            except StorageError as error:
                self._alone_until = time.monotonic() + AGAIN_S
                log.warning("limits_not_shared", reason=type(error.storage_error).__name__)
        return await _count(self._here, item, key, count)


async def _count(windows: FixedWindowRateLimiter, item: RateLimitItem, key: tuple[str, ...], count: bool) -> Count:
    allowed = await (windows.hit(item, *key) if count else windows.test(item, *key))
    reset_at, remaining = await windows.get_window_stats(item, *key)
    wait_s = min(max(1, math.ceil(reset_at - time.time())), item.get_expiry())
    return Count(item.amount, max(0, remaining), math.ceil(reset_at), wait_s, allowed)


def _redis(url: str) -> RedisStorage:
    """Connects when it is first asked."""
    if url.partition("://")[0] not in SCHEMES:
        raise ConfigError(f"must begin with one of: {', '.join(SCHEMES)}", source="settings", key="limits_url")
    options = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S}
    try:
        made = storage_from_string(
            f"async+{url}", implementation="redispy", wrap_exceptions=True, key_prefix=PREFIX, **options
        )
    except ConfigurationError as error:
        reason = "needs the package redis: pip install 'voicecore[redis]'"
        raise ConfigError(reason, source="settings", key="limits_url") from error
    assert isinstance(made, RedisStorage)
    return made
