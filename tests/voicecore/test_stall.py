"""What a caller hears of a stalled event loop: a real server here, a carrier with a clock and a loop of its own."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import numpy as np
import pytest
from media_server import House, clip, events

from pipelines.events import EventKind
from voicecore.phone.caller import Caller, Manners
from voicecore.phone.carrier import CallResult, Destination, EndedBy, place_call
from voicecore.phone.line import Line

PATIENCE = Manners(answer_pause_ms=400, greeting_timeout_ms=200, answer_limit_ms=1600)
AHEAD_MS = 300  # MediaSettings.ahead_ms
STALL_S = 0.2


class Disturber:
    """Blocks the server's loop once, when half a second of the answer was heard; watches the carrier's buffer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heard_frames = 0
        self.stalled_s = 0.0
        self.most_ahead_ms = 0.0

    def __call__(self, line: Line) -> None:
        if line.caller.begun and line.playback.buffered_bytes:
            self._heard_frames += 1
            self.most_ahead_ms = max(self.most_ahead_ms, line.playback.buffered_bytes / 8)
            if self._heard_frames == 25:
                self._loop.call_soon_threadsafe(self._stall)

    def _stall(self) -> None:
        began = now = time.perf_counter()
        while now < began + STALL_S:
            now = time.perf_counter()
        self.stalled_s = now - began


async def talk(url: str, disturber: Disturber) -> CallResult:
    async with aiohttp.ClientSession() as session:
        caller = Caller((clip(),), PATIENCE)
        return await place_call(session, Destination(url=url, agent="talker"), caller, timeout_s=20, observe=disturber)


@pytest.fixture
async def disturber() -> Disturber:
    return Disturber(asyncio.get_running_loop())


async def test_a_stall_of_200_ms_is_not_heard_and_nothing_is_sent_in_a_burst(
    house: House, disturber: Disturber
) -> None:
    result = await asyncio.to_thread(asyncio.run, talk(house.server.url, disturber))
    assert disturber.stalled_s >= STALL_S
    assert result.ended_by is EndedBy.CALLER
    assert (result.underruns, result.partial_frames, result.problem_count) == (0, 0, 0)
    samples = np.frombuffer(result.recording.heard_pcm(), dtype="<i2").reshape(-1, 160)
    sounds = np.count_nonzero(samples, axis=1) > 0  # frame by frame
    first = int(sounds.argmax())
    assert len(sounds) - first >= 75
    assert sounds[first:].all()
    assert 200 < disturber.most_ahead_ms <= AHEAD_MS + result.worst_late_ms  # the carrier's own clock may be late
    detail = await house.ended(result.identity.call_sid)
    assert detail.call.media_health.underruns == 0
    assert detail.call.media_health.worst_loop_lag_ms > 150
    assert not events(detail, EventKind.STAGE_FAILED)
