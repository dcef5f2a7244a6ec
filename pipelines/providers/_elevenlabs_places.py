"""As many requests at once as a plan allows; the others queue, and how long they do is known."""

from __future__ import annotations

import asyncio


class Places:
    def __init__(self, most: int) -> None:
        self._semaphore = asyncio.Semaphore(most)
        self._since_s: dict[object, float] = {}

    @property
    def backlog_ms(self) -> float:
        """How long the oldest of those who wait has waited."""
        if not self._since_s:
            return 0.0
        return (asyncio.get_running_loop().time() - min(self._since_s.values())) * 1000.0

    async def take(self) -> None:
        """First come, first served."""
        ticket = object()
        self._since_s[ticket] = asyncio.get_running_loop().time()
        try:
            await self._semaphore.acquire()
        finally:
            del self._since_s[ticket]

    def give_back(self) -> None:
        self._semaphore.release()
