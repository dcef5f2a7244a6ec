"""A deadline on one wait after another of the same task, with one timer for all of them.

`asyncio.timeout` sets and cancels a timer for every wait, which costs more than most items of a stream do.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Watchdog:
    """`within` as often as there is something to wait for, then `close`. For one task only."""

    __slots__ = ("_barked", "_due", "_loop", "_task", "_timer")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf
        self._barked = False

    async def within(self, seconds: float, step: Awaitable[T]) -> T:
        """Raises TimeoutError after so many seconds; then the step was cancelled."""
        self._task = task = asyncio.current_task()
        assert task is not None
        cancelling = task.cancelling()
        self._due = self._loop.time() + seconds
        if self._timer is not None and self._timer.when() > self._due:
            self.close()
        if self._timer is None:
            self._timer = self._loop.call_at(self._due, self._look)
        try:
            return await step
        except asyncio.CancelledError:
            if self._barked and task.cancelling() <= cancelling + 1:
                raise TimeoutError from None
            raise
        finally:
            self._due = math.inf
            if self._barked:
                self._barked = False
                task.uncancel()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._due == math.inf:
            return
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._look)
            return
        assert self._task is not None
        self._barked = True
        self._task.cancel()
