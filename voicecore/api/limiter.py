"""Requests by (surface, class, subject), in fixed windows as the documents' headers describe them."""

from __future__ import annotations

import functools
import time

import msgspec
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter


class Allowance(msgspec.Struct, frozen=True):
    limit: int
    remaining: int
    reset_at: int  # unix seconds
    allowed: bool

    @property
    def retry_after_s(self) -> int:
        return max(1, self.reset_at - int(time.time()))


def limit_headers(allowance: Allowance) -> dict[str, str]:
    """The three headers that most documents show."""
    return {
        "X-RateLimit-Limit": str(allowance.limit),
        "X-RateLimit-Remaining": str(allowance.remaining),
        "X-RateLimit-Reset": str(allowance.reset_at),
    }


@functools.cache
def _item(surface: str, rate: str) -> RateLimitItem:
    item = parse(rate)
    item.namespace = surface
    return item


class Limiter:
    """`relaxed` counts nothing and refuses nobody."""

    def __init__(self, *, relaxed: bool = False) -> None:
        self.relaxed = relaxed
        self._windows = FixedWindowRateLimiter(MemoryStorage())

    async def hit(self, surface: str, limit_class: str, rate: str, subject: str) -> Allowance | None:
        """Count one request against a rate like "10 per hour". None when limits are off, or when there is none ("")."""
        if self.relaxed or not rate:
            return None
        item = _item(surface, rate)
        allowed = await self._windows.hit(item, limit_class, subject)
        reset_at, remaining = await self._windows.get_window_stats(item, limit_class, subject)
        return Allowance(item.amount, max(0, remaining), int(reset_at) + 1, allowed)
