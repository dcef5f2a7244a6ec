"""A stream that runs beside another one, in a task of its own: which of them gives anything first?

It knows nothing of engines. What it has before somebody reads it is bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Generic, TypeVar

from pipelines.errors import StageError

T = TypeVar("T")

AHEAD = 8  # items that may wait for the race to be decided


class Rival(Generic[T]):
    """Begins at once. Whoever makes it closes it."""

    def __init__(
        self,
        stream: AsyncGenerator[T, None],
        is_output: Callable[[T], bool],
        ready: Callable[[], None],
        failed: Callable[[StageError | None], None],
    ) -> None:
        """`ready` is called at its first output, `failed` when there was none (None: it just ended)."""
        self._is_output = is_output
        self._tell_ready = ready
        self._tell_failed = failed
        self._queue: asyncio.Queue[T | StageError | None] = asyncio.Queue(AHEAD)
        self._task = asyncio.create_task(self._run(stream))
        self.ready = False

    async def items(self) -> AsyncGenerator[T, None]:
        """The stream. Raises what it raised; closing this closes it."""
        try:
            while not isinstance(item := await self._queue.get(), StageError | None):
                yield item
            if item is not None:
                raise item
        finally:
            await self.close()

    async def close(self) -> None:
        """Its stream is closed when this returns."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self, stream: AsyncGenerator[T, None]) -> None:
        end: StageError | None = None
        try:
            async with aclosing(stream):
                async for item in stream:
                    await self._queue.put(item)
                    if not self.ready and self._is_output(item):
                        self.ready = True
                        self._tell_ready()
        except StageError as error:
            end = error
        if not self.ready:
            self._tell_failed(end)
        await self._queue.put(end)
