"""A deadline on one wait after another of the same task, with one timer for all of them.

`asyncio.timeout` sets and cancels a timer for every wait, which costs more than most items of a stream do.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

STALLED_S = 0.1  # a timer that is later than this was not looked at in time: this process, or its machine, stood still
GRACE_S = 2.0  # of standing still in all that one wait is given back; then it is over, whoever's fault it was


class Watchdog:
    """`within` as often as there is something to wait for, then `close`. For one task only."""

    __slots__ = ("_barked", "_due", "_grace_s", "_loop", "_task", "_timer")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf
        self._grace_s = GRACE_S
        self._barked = False

    async def within(self, seconds: float, step: Awaitable[T]) -> T:
        """Raises TimeoutError after so many seconds; then the step was cancelled.

        Time in which the event loop stood still does not count: what is waited for may lie ready in a socket.
        """
        self._task = task = asyncio.current_task()
        assert task is not None
        cancelling = task.cancelling()
        self._due = self._loop.time() + seconds
        self._grace_s = GRACE_S
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

    @classmethod
    async def once(cls, seconds: float, step: Awaitable[T]) -> T:
        """One wait. Raises TimeoutError as `within` does."""
        watchdog = cls()
        try:
            return await watchdog.within(seconds, step)
        finally:
            watchdog.close()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def bark(self) -> None:
        """End the running step as if its time were up. Without one, nothing happens."""
        if self._due != math.inf and not self._barked:
            assert self._task is not None
            self._barked = True
            self._task.cancel()

    def _look(self) -> None:
        self._timer = None
        if self._due == math.inf:
            return
        now = self._loop.time()
        if (late_s := now - self._due) > STALLED_S and self._grace_s > 0.0:
            given_s = min(late_s, self._grace_s)
            self._grace_s -= given_s
            self._due = now + given_s
        if now < self._due:
            self._timer = self._loop.call_at(self._due, self._look)
            return
        self.bark()
