"""Simulated people in one room: everybody hears the others, and it closes when the one goes who may end it."""

from __future__ import annotations

import asyncio

import pytest

from pipelines.audio import Codec, from_pcm16, to_pcm16
from voicecore.carriers.rooms import Room, Rooms, mixed
from voicecore.phone.caller import Caller, Saying
from voicecore.phone.dialect import encode_payload
from voicecore.phone.playback import SILENT_FRAME


def tone(level: int) -> bytes:
    return from_pcm16(level.to_bytes(2, "little", signed=True) * 160, Codec.ULAW)


class Humming(Caller):
    """Says one level, keeps what is heard; `leave` lets him hang up."""

    def __init__(self, level: int) -> None:
        self.frame = tone(level)
        self.heard: list[bytes] = []
        self.leave = False

    def next(self, heard: bytes) -> Saying | None:
        self.heard.append(heard)
        return None if self.leave else Saying(self.frame, encode_payload(self.frame))


def level(frame: bytes) -> int:
    return int.from_bytes(to_pcm16(frame, Codec.ULAW)[:2], "little", signed=True)


async def entered(room: Room, person: Humming, *, ends_it: bool) -> asyncio.Task[bool]:
    task = asyncio.create_task(room.stay(person, ends_it=ends_it))
    await asyncio.sleep(0)  # it runs to where it waits
    return task


async def test_everybody_hears_the_sum_of_the_others() -> None:
    room = Room()
    one, two, three = Humming(1000), Humming(2000), Humming(-4000)
    stays = [await entered(room, person, ends_it=False) for person in (one, two, three)]
    room.tick()
    room.tick()
    heard = [level(person.heard[-1]) for person in (one, two, three)]
    assert heard == pytest.approx([-2000, -3000, 3000], rel=0.06)  # mu-law is coarse
    two.leave = True
    room.tick()
    assert await stays[1] is True
    room.tick()
    assert one.heard[-1] == three.frame  # who is alone with another hears just him
    for person in (one, three):
        person.leave = True
    room.tick()
    assert await asyncio.gather(*stays) == [True, True, True]
    assert room.size == 0


async def test_who_may_end_it_takes_everybody_with_him() -> None:
    rooms, host, guest = Rooms(), Humming(1000), Humming(2000)
    stays = [
        asyncio.create_task(rooms.stay("room", host, ends_it=True)),
        asyncio.create_task(rooms.stay("room", guest, ends_it=False)),
    ]
    async with asyncio.timeout(5):
        await asyncio.sleep(0)
        assert rooms.size("room") == 2
        host.leave = True
        assert await asyncio.gather(*stays) == [True, False]
    assert rooms.size("room") == 0


def test_silence_and_loudness() -> None:
    assert mixed([]) == mixed([SILENT_FRAME, SILENT_FRAME]) == SILENT_FRAME
    assert mixed([SILENT_FRAME, tone(500)]) == tone(500)
    assert level(mixed([tone(30000), tone(30000)])) > 30000  # clipped, not wrapped
