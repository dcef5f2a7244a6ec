"""Requests per minute by (surface, class, subject), in fixed windows as the documents' headers describe them."""

from __future__ import annotations

import time

import msgspec
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter


class Allowance(msgspec.Struct, frozen=True):
    limit: int
    remaining: int
    reset_at: int  # unix seconds
    allowed: bool

    @property
    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_at),
        }

    @property
    def retry_after_s(self) -> int:
        return max(1, self.reset_at - int(time.time()))


class Limiter:
    """`relaxed` counts nothing and refuses nobody."""

    def __init__(self, *, relaxed: bool = False) -> None:
        self.relaxed = relaxed
        self._windows = FixedWindowRateLimiter(MemoryStorage())

    async def hit(self, surface: str, limit_class: str, per_minute: int, subject: str) -> Allowance | None:
        """Count one request. None when limits are off, or when there is none (`per_minute` 0)."""
        if self.relaxed or not per_minute:
            return None
        item = RateLimitItemPerMinute(per_minute, namespace=surface)
        allowed = await self._windows.hit(item, limit_class, subject)
        reset_at, remaining = await self._windows.get_window_stats(item, limit_class, subject)
        return Allowance(per_minute, max(0, remaining), int(reset_at) + 1, allowed)
