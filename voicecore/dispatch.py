"""Attempts to send things, so many at once: what `Chores` turns, whatever is sent."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

import structlog

AT_ONCE = 20

log = structlog.get_logger(__name__)

D = TypeVar("D")


class Dispatch(ABC, Generic[D]):
    """`step` begins what is due now; what it began goes on until `idle` or `close`."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def _due(self, most: int) -> Sequence[D]:
        """What is to be attempted now; nobody else gets it meanwhile."""

    @abstractmethod
    async def _attempt(self, due: D) -> None:
        """One attempt, and what became of it is stored. It ends by itself."""

    async def step(self) -> int:
        """Returns how many attempts it began."""
        room = AT_ONCE - len(self._running)
        due = await self._due(room) if room > 0 else []
        for one in due:
            task = asyncio.create_task(self._attempt(one))
            self._running.add(task)
            task.add_done_callback(self._over)
        return len(due)

    async def idle(self) -> None:
        """Everything that was begun is over."""
        while self._running:
            await asyncio.gather(*self._running, return_exceptions=True)

    async def close(self) -> None:
        """What is cut off is sent again by whoever runs next."""
        for task in self._running:
            task.cancel()
        await self.idle()

    def _over(self, task: asyncio.Task[None]) -> None:
        """An attempt that failed in here is made again when its lease is over."""
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("attempt_failed", exc_info=error)
