"""How busy the machine is, asked from threads that come and go."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from voicecore import machine
from voicecore.machine import Machine


def test_a_thread_that_never_asked_before_is_told_the_truth(tmp_path: Path) -> None:
    asked = Machine(tmp_path / "not there yet")
    until = time.monotonic() + 3 * machine.SHORTEST_S
    while time.monotonic() < until:  # one processor is busy
        pass
    with ThreadPoolExecutor(1) as fresh:
        busy = fresh.submit(asked.busy).result()
    assert 0 < busy.cpu <= 100
    assert 0 < busy.memory <= 100
    assert 0 < busy.disk <= 100


async def test_who_asks_twice_at_once_is_told_the_same(tmp_path: Path) -> None:
    asked = Machine(tmp_path)
    first, second = await asyncio.gather(asyncio.to_thread(asked.busy), asyncio.to_thread(asked.busy))
    assert first.cpu == second.cpu
