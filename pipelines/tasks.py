"""The work that one call has running: children of its task group, all of them over before the call is.

It knows nothing of what they do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

R = TypeVar("R")


class CallTasks:
    """Work starts only between `open` and `close`, which belong to the owner of the group."""

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None
        self._running: set[asyncio.Task[Any]] = set()

    def open(self, group: asyncio.TaskGroup) -> None:
        self._group = group

    def close(self) -> None:
        self._group = None

    def spawn(self, work: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
        assert self._group is not None, "work starts only while the call runs"
        task = self._group.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def cancel(self) -> None:
        for task in self._running:
            task.cancel()
