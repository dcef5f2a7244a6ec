"""Somebody who asks on and on lets others have their turn, and nobody waits who asks little."""

from __future__ import annotations

import asyncio

import pytest

from voicecore.storage import pace as module
from voicecore.storage.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def perf_counter(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


async def turns_while_asking(pace: Pace, clock: Clock, each_s: float, times: int) -> int:
    """How often others had the loop."""
    turns = 0
    over = False

    def turn() -> None:
        nonlocal turns
        turns += 1
        if not over:
            asyncio.get_running_loop().call_soon(turn)

    asyncio.get_running_loop().call_soon(turn)
    for _ in range(times):
        clock.now_s += each_s
        await pace.keep()
    over = True
    return turns


async def test_a_long_turn_is_given_up(clock: Clock) -> None:
    turns = await turns_while_asking(Pace(), clock, module.LONGEST_S / 4, 100)
    assert 10 < turns <= 25


async def test_a_short_one_is_not(clock: Clock) -> None:
    assert await turns_while_asking(Pace(), clock, module.LONGEST_S / 100, 50) == 0


async def test_a_turn_is_that_of_all(clock: Clock) -> None:
    """What others asked in it counts, too."""
    pace = Pace()
    clock.now_s = 1.0
    await pace.keep()
    clock.now_s += 2 * module.LONGEST_S
    other = asyncio.create_task(pace.keep())
    before = asyncio.get_running_loop().create_task(asyncio.sleep(0))
    await pace.keep()
    assert before.done() or other.done()
    await asyncio.wait([other, before])
