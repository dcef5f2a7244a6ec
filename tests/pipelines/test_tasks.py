"""A call's work is over before the call is."""

from __future__ import annotations

import asyncio

import pytest
from virtual_time import in_virtual_time

from pipelines.tasks import CallTasks


@in_virtual_time
async def test_cancelling_ends_what_still_runs_and_only_that() -> None:
    tasks = CallTasks()

    async def answer() -> int:
        return 42

    async with asyncio.TaskGroup() as group:
        tasks.open(group)
        done = tasks.spawn(answer())
        assert await done == 42
        hanging = tasks.spawn(asyncio.Event().wait())
        await asyncio.sleep(0)
        tasks.cancel()
    assert hanging.cancelled()
    assert not done.cancelled()


@in_virtual_time
async def test_nothing_starts_once_it_is_closed() -> None:
    tasks = CallTasks()
    async with asyncio.TaskGroup() as group:
        tasks.open(group)
        tasks.close()
        late = asyncio.sleep(0)
        with pytest.raises(AssertionError, match="while the call runs"):
            tasks.spawn(late)
        late.close()
