"""After many calls, also aborted ones of every kind, there is as much of everything as before the first."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
from pathlib import Path
from typing import NamedTuple

from media_server import House, Serve, changed, eventually
from test_front import GET, Wire
from test_session import REASONS, reach

CALLS = int(os.environ.get("LEAK_CALLS", "60"))  # more by hand
AT_ONCE = 20
PHASES = ("before", "preparing", "greeting", "caller speaks", "thinking", "speaking")


class Holdings(NamedTuple):
    tasks: int
    sockets: int
    files: int
    threads: int

    @classmethod
    def now(cls) -> Holdings:
        gc.collect()
        links = []
        for entry in Path("/proc/self/fd").iterdir():
            try:
                links.append(os.readlink(entry))
            except FileNotFoundError:  # the listing's own
                continue
        sockets = sum(link.startswith("socket:") for link in links)
        return cls(len(asyncio.all_tasks()), sockets, len(links), threading.active_count())


async def abort(house: House, number: int) -> None:
    manner, phase = list(REASONS)[number % 3], PHASES[number // 3 % 6]
    async with house.socket() as call:
        await reach(phase, call, house)
        await call.leave(manner)


async def misbehave(house: House, number: int) -> None:
    async with house.socket() as call:
        if number % 2:
            await call.start(("nobody", "reception")[number // 2 % 2])
        for message in ("x" * 70_000, b"\x00", "?", "?", "?")[number % 5 :]:
            await call.send(message)
        await call.closed()


async def half_a_head(house: House) -> None:
    wire = await Wire.to(house)
    wire.writer.write(GET[:20])
    await wire.writer.drain()
    wire.close()
    await wire.writer.wait_closed()


async def one(house: House, number: int) -> None:
    if number % 6 == 0:
        await house.call()
    elif number % 6 == 1:
        await misbehave(house, number // 6)
    elif number % 6 == 2:
        await half_a_head(house)
    else:
        await abort(house, number)


async def test_nothing_is_left_of_any_call(serve: Serve) -> None:
    house = await serve(media=changed(start_timeout_s=0.5))
    await house.get("/healthz")
    await eventually(lambda: house.server.open_connections() == 0)
    before = Holdings.now()
    for start in range(0, CALLS, AT_ONCE):
        await asyncio.gather(*(one(house, number) for number in range(start, start + AT_ONCE)))
    await house.idle()
    with contextlib.suppress(TimeoutError):
        await eventually(lambda: Holdings.now() == before, timeout_s=5)
    assert Holdings.now() == before
