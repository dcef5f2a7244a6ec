"""One timer over many waits: it lets prompt steps pass, cuts late ones, and takes no cancellation for its own."""

from __future__ import annotations

import asyncio

import pytest
from virtual_time import in_virtual_time, pass_ms, virtual_loop

from pipelines.watchdog import Watchdog


async def step(lasts_ms: float, result: object = None) -> object:
    await pass_ms(lasts_ms)
    return result


@in_virtual_time
async def test_many_prompt_steps_pass_although_together_they_take_longer() -> None:
    watchdog = Watchdog()
    for number in range(10):
        assert await watchdog.within(1.0, step(900, number)) == number
    watchdog.close()


@in_virtual_time
async def test_a_late_step_is_cancelled_when_its_own_time_is_up() -> None:
    watchdog = Watchdog()
    cut: list[float] = []

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cut.append(virtual_loop().time())

    await watchdog.within(1.0, step(700))
    began = virtual_loop().time()
    with pytest.raises(TimeoutError):
        await watchdog.within(1.0, never())
    assert cut == [pytest.approx(began + 1.0)]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert await watchdog.within(1.0, step(100, "again")) == "again"
    watchdog.close()


@in_virtual_time
async def test_a_shorter_limit_after_a_longer_one_holds() -> None:
    watchdog = Watchdog()
    await watchdog.within(9.0, step(500))
    began = virtual_loop().time()
    with pytest.raises(TimeoutError):
        await watchdog.within(1.0, asyncio.Event().wait())
    assert virtual_loop().time() == pytest.approx(began + 1.0)
    watchdog.close()


@in_virtual_time
async def test_time_between_two_steps_does_not_count() -> None:
    watchdog = Watchdog()
    await watchdog.within(1.0, step(100))
    await pass_ms(5000)
    assert await watchdog.within(1.0, step(900, True))
    watchdog.close()


@in_virtual_time
async def test_a_cancellation_from_outside_stays_one_also_at_the_very_deadline() -> None:
    async def work() -> None:
        watchdog = Watchdog()
        try:
            await watchdog.within(1.0, asyncio.Event().wait())
        finally:
            watchdog.close()

    task = asyncio.create_task(work())
    await pass_ms(500)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    virtual_loop().call_later(1.0, task.cancel)  # in the same instant as the watchdog
    with pytest.raises((asyncio.CancelledError, TimeoutError)):
        await task
    assert task.cancelled()


def stand_still(until_s: float) -> None:
    while asyncio.get_running_loop().time() < until_s:
        pass


async def test_time_in_which_the_loop_stood_still_is_given_back() -> None:
    """On a real clock: what is waited for was ready long ago, and nobody could look."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[str] = loop.create_future()

    loop.call_soon(stand_still, loop.time() + 0.4)
    loop.call_later(0.25, lambda: loop.call_soon(lambda: loop.call_soon(ready.set_result, "there")))
    watchdog = Watchdog()
    assert await watchdog.within(0.2, ready) == "there"
    watchdog.close()


async def test_and_no_longer_than_that() -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + 0.3
    loop.call_soon(stand_still, until)
    began = loop.time()
    with pytest.raises(TimeoutError):
        await Watchdog.once(0.05, asyncio.Event().wait())
    assert 0.5 <= loop.time() - began <= 2.0
