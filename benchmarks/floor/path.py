"""Our own way of one frame, without a socket: dialect → timeline → conversation, layer by layer.

A real `Conversation` runs with simulated engines that do not wait, and hears real speech; only outlet, journal
and (except in the last row) tape do nothing.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from benchmarks.capacity.speech import SILENCE, utterances
from benchmarks.floor.measure import Step
from benchmarks.nothing import Nothing, plain_setup
from pipelines.audio import TELEPHONE
from pipelines.conversation import Conversation, Stages
from pipelines.events import EndReason
from pipelines.journal import Tape
from pipelines.pacer import Pacer
from pipelines.providers.simulated import (
    SimulatedLlm,
    SimulatedLlmEngine,
    SimulatedStt,
    SimulatedSttEngine,
    SimulatedTts,
    SimulatedTtsEngine,
)
from pipelines.providers.webrtc import WebrtcVadOptions, WebrtcVadStream
from pipelines.stages import SttOptions, SttSession
from voicecore.recording import Finished, Recorder, RecordingThread
from voicecore.transports.messages import Audio
from voicecore.transports.timeline import Timeline
from voicecore.transports.twilio import TwilioDialect

T = TypeVar("T")
MANY_CALLS = 300
SECOND = 50  # frames between two looks at the event loop


def messages(seconds: int) -> list[bytes]:
    """Twilio's messages of a caller who says one thing after another with two seconds between."""
    script = utterances()
    payloads: list[bytes] = []
    while len(payloads) < seconds * SECOND:
        for utterance in script:
            payloads += utterance.payloads
            payloads += [SILENCE] * (2 * SECOND)
    return [
        b'{"event":"media","sequenceNumber":"%d","streamSid":"MZ%032x","media":{"track":"inbound","chunk":"%d",'
        b'"timestamp":"%d","payload":"%b"}}' % (n + 1, 1, n, n * 20, payload)
        for n, payload in enumerate(payloads[: seconds * SECOND], 1)
    ]


async def steps(seconds: int = 60) -> list[Step]:
    wire = messages(seconds)
    dialect = TwilioDialect()
    decoded = [one for message in wire if isinstance(one := dialect.receive(message), Audio)]
    found = [
        await _timed("dialect.receive", wire, TwilioDialect().receive),
        await _timed("timeline.place", decoded, _placer()),
    ]
    found.append(await _conversation("conversation.feed, null tape", wire, decoded, None, whole=False))
    with tempfile.TemporaryDirectory() as folder:
        thread = RecordingThread()
        tape = Recorder(thread, Path(folder) / "tape.wav", 8000)
        found.append(
            await _conversation("conversation.feed, recording (+ its thread)", wire, decoded, tape, whole=False)
        )
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def finished(_: Finished | None) -> None:
            loop.call_soon_threadsafe(done.set)

        tape.finish(finished)
        await done.wait()
        thread.close()
    found.append(await _conversation("whole: receive → place → feed, null tape", wire, decoded, None, whole=True))
    found.append(await _many(MANY_CALLS, wire))
    return found


def _placer() -> Callable[[Audio], object]:
    timeline = Timeline(TELEPHONE)

    def place(audio: Audio) -> None:
        for _ in timeline.place(audio.payload, audio.chunk):
            pass

    return place


class _Call:
    """One running conversation, its dialect and its timeline."""

    def __init__(self, tape: Tape | None, pacer: Pacer, stt: SttSession) -> None:
        nothing = Nothing()
        stages = Stages(
            vad=WebrtcVadStream(WebrtcVadOptions(), 8000),
            stt=stt,
            llm=SimulatedLlmEngine(SimulatedLlm(first_token_ms=0, tokens_per_s=1e6)),
            tts=SimulatedTtsEngine(SimulatedTts(first_audio_ms=0, realtime_factor=1e6)),
        )
        self.conversation = Conversation(plain_setup(), stages, nothing, nothing, tape or nothing, pacer)
        self._timeline, self._receive = Timeline(TELEPHONE), TwilioDialect().receive
        self._running = asyncio.create_task(self.conversation.run())
        self.conversation.clock.begin(pacer.now_ms())

    @classmethod
    async def begin(cls, tape: Tape | None, pacer: Pacer) -> _Call:
        engine = SimulatedSttEngine(SimulatedStt(finish_ms=0))
        call = cls(tape, pacer, await engine.open(SttOptions(language="en", rate_hz=8000)))
        await asyncio.sleep(0)
        return call

    def feed(self, audio: Audio) -> None:
        for frame, start_ms in self._timeline.place(audio.payload, audio.chunk):
            self.conversation.feed(frame, start_ms)

    def take(self, message: bytes) -> None:
        audio = self._receive(message)
        if type(audio) is Audio:
            self.feed(audio)

    async def end(self) -> None:
        self.conversation.end(EndReason.CALLER_HANGUP)
        await self._running


async def _conversation(name: str, wire: list[bytes], decoded: list[Audio], tape: Tape | None, *, whole: bool) -> Step:
    pacer = Pacer()
    call = await _Call.begin(tape, pacer)
    step = await (_timed(name, wire, call.take) if whole else _timed(name, decoded, call.feed))
    await call.end()
    pacer.close()
    return step


async def _many(calls: int, wire: list[bytes], seconds: int = 8) -> Step:
    """A frame of every call in turn: nothing of a call is in the processor's caches when its next frame comes."""
    pacer = Pacer()
    those = [await _Call.begin(None, pacer) for _ in range(calls)]
    figures = []
    for at in range(seconds * SECOND):
        started = time.perf_counter()
        for offset, call in enumerate(those):
            call.take(wire[(at + offset * 7) % len(wire)])
        figures.append((time.perf_counter() - started) / calls * 1e6)
        for _ in range(3):
            await asyncio.sleep(0)
    for call in those:
        await call.end()
    pacer.close()
    name = f"whole, {calls} calls in turn (cold caches)"
    return Step("ours", name, round(min(figures), 3), round(statistics.median(figures), 3))


async def _timed(name: str, items: Sequence[T], step: Callable[[T], object]) -> Step:
    """Second by second of audio; between two, tasks that a boundary started have their turn, untimed."""
    figures = []
    for at in range(0, len(items), SECOND):
        second = items[at : at + SECOND]
        started = time.perf_counter()
        for item in second:
            step(item)
        figures.append((time.perf_counter() - started) / len(second) * 1e6)
        for _ in range(20):
            await asyncio.sleep(0)
    return Step("ours", name, round(min(figures), 3), round(statistics.median(figures), 3))
