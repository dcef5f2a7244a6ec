"""Where simulated people talk with each other: a clock of 20 ms on which everybody hears the sum of the others.

Two rules. A room runs as long as somebody is in it. Who came with the right to end it takes everybody with him.
"""

from __future__ import annotations

import asyncio

import numpy as np

from pipelines.audio import Codec, from_pcm16, to_pcm16
from voicecore.phone.caller import Caller
from voicecore.phone.dialect import FRAME_MS
from voicecore.phone.playback import SILENT_FRAME


class _Member:
    def __init__(self, person: Caller, ends_it: bool) -> None:
        self.person = person
        self.ends_it = ends_it
        self.saying = SILENT_FRAME
        self.left = asyncio.Event()
        self.by_himself = False


class Room:
    """One conference."""

    def __init__(self) -> None:
        self._members: list[_Member] = []
        self._clock: asyncio.Task[None] | None = None

    @property
    def size(self) -> int:
        return len(self._members)

    async def stay(self, person: Caller, *, ends_it: bool) -> bool:
        """Until he hangs up (True), or the room closes."""
        member = _Member(person, ends_it)
        self._members.append(member)
        if self._clock is None:
            self._clock = asyncio.create_task(self._run())
        try:
            await member.left.wait()
        finally:
            self._leave(member)
            if not self._members and self._clock is not None:
                clock, self._clock = self._clock, None
                clock.cancel()
        return member.by_himself

    def _leave(self, member: _Member) -> None:
        if member in self._members:
            self._members.remove(member)
            if member.ends_it:
                for other in self._members:
                    other.left.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time()
        while True:
            self.tick()
            deadline += FRAME_MS / 1000
            await asyncio.sleep(max(0.0, deadline - loop.time()))

    def tick(self) -> None:
        """20 ms pass."""
        said = [member.saying for member in self._members]
        for number, member in enumerate(list(self._members)):
            saying = member.person.next(mixed(said[:number] + said[number + 1 :]))
            if saying is None:
                member.by_himself = True
                member.left.set()
            else:
                member.saying = saying.audio


class Rooms:
    """By name; one that everybody has left is gone."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}

    async def stay(self, name: str, person: Caller, *, ends_it: bool) -> bool:
        """As `Room.stay`."""
        room = self._rooms.setdefault(name, Room())
        try:
            return await room.stay(person, ends_it=ends_it)
        finally:
            if not room.size and self._rooms.get(name) is room:
                del self._rooms[name]

    def size(self, name: str) -> int:
        room = self._rooms.get(name)
        return room.size if room is not None else 0


def mixed(frames: list[bytes]) -> bytes:
    """The sum of mu-law frames; one is itself."""
    audible = [frame for frame in frames if frame != SILENT_FRAME]
    if len(audible) <= 1:
        return audible[0] if audible else SILENT_FRAME
    total = np.zeros(len(SILENT_FRAME), dtype=np.int32)
    for frame in audible:
        total += np.frombuffer(to_pcm16(frame, Codec.ULAW), dtype="<i2")
    return from_pcm16(np.clip(total, -32768, 32767).astype("<i2").tobytes(), Codec.ULAW)
