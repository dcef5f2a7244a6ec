"""What our server would answer, and when, if it cost nothing: the same callers, turn machine and waits in virtual time.

The benchmark's own caller talks to a real conversation whose clock only moves when nobody has anything to do. So the
end-of-turn rule and the engines' waits are known exactly for every utterance, and what a loaded server adds is the
difference.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import UTC, datetime
from statistics import median
from typing import Any

from benchmarks.capacity.caller import Caller
from benchmarks.capacity.figures import Figures
from benchmarks.capacity.servers import Waits
from benchmarks.capacity.speech import Utterance
from config.schema import AgentSettings
from pipelines.audio import FRAME_MS, TELEPHONE, AudioFormat
from pipelines.brain.tools import Toolbox
from pipelines.conversation import Conversation, Setup, Stages
from pipelines.events import CallEvent, EndReason
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
from pipelines.simulation.virtual_time import pass_ms, run_in_virtual_time, virtual_loop
from pipelines.stages import SttOptions, Voice
from pipelines.timing import Turn
from voicecore.transports.messages import Audio, MarkReturned
from voicecore.transports.timeline import Timeline
from voicecore.transports.twilio import TwilioDialect

TURN_S = 12.0  # no utterance and its answer take longer


def expected_ms(script: list[Utterance], waits: Waits) -> dict[str, float]:
    """Last audible sample → first audio of the answer, by utterance. Takes about two seconds."""
    return run_in_virtual_time(_talk(script, waits))


async def _talk(script: list[Utterance], waits: Waits) -> dict[str, float]:
    figures = Figures()
    line = _Line(figures, script)
    stt = await SimulatedSttEngine(SimulatedStt(finish_ms=waits.stt_ms)).open(SttOptions())
    llm = SimulatedLlm(first_token_ms=waits.first_token_ms, tokens_per_s=waits.tokens_per_s, texts=(waits.answer,))
    tts = SimulatedTts(first_audio_ms=waits.first_audio_ms, ms_per_character=waits.ms_per_character, realtime_factor=10)
    port: Any = line  # of the toolbox: the simulated model calls no tool
    setup = Setup(
        agent=AgentSettings(),
        greeting="",
        system_prompt="",
        facts={},
        now=datetime(2026, 1, 5, 10, tzinfo=UTC),
        voice=Voice(),
        toolbox=lambda _: Toolbox(port, port, port, now=lambda: datetime(2026, 1, 5, 10, tzinfo=UTC)),
        inbound=TELEPHONE,
    )
    stages = Stages(
        vad=WebrtcVadStream(WebrtcVadOptions(), 8000),
        stt=stt,
        llm=SimulatedLlmEngine(llm),
        tts=SimulatedTtsEngine(tts),
    )
    pacer = Pacer()
    conversation = Conversation(setup, stages, line, line, line, pacer)
    running = asyncio.create_task(conversation.run())
    await line.call(conversation, wanted=2 * len(script))  # the second round: a detector has memory
    conversation.end(EndReason.CALLER_HANGUP)
    await running
    pacer.close()
    waited: dict[str, list[float]] = defaultdict(list)
    for answer in figures.answers[len(script) :]:
        waited[answer.utterance].append(answer.response_ms)
    return {name: median(values) for name, values in waited.items()}


class _Line:
    """The wire between the caller and the conversation, without one; also a journal and a tape that keep nothing."""

    audio_format: AudioFormat = TELEPHONE
    has_marks = True

    def __init__(self, figures: Figures, script: list[Utterance]) -> None:
        self._dialect = TwilioDialect()
        self._timeline = Timeline(TELEPHONE)
        self._inbox: list[bytes] = []
        self._figures = figures
        self._caller = Caller(0, script, figures, self._inbox.append, barge_in=False)

    async def call(self, conversation: Conversation, wanted: int) -> None:
        """Frames each 20 ms, until so many utterances were answered."""
        loop = virtual_loop()
        self._caller.open("CA0", {}, loop.time() * 1000.0)
        self._deliver(conversation)
        ends_s = loop.time() + wanted * TURN_S
        while len(self._figures.answers) < wanted and loop.time() < ends_s:
            await pass_ms(FRAME_MS)
            self._caller.frame(loop.time() * 1000.0)
            self._deliver(conversation)

    def _deliver(self, conversation: Conversation) -> None:
        while self._inbox:
            inbound = self._dialect.receive(self._inbox.pop(0))
            if isinstance(inbound, Audio):
                for frame, start_ms in self._timeline.place(inbound.payload, inbound.chunk):
                    conversation.feed(frame, start_ms)
            elif isinstance(inbound, MarkReturned):
                conversation.mark_returned(inbound.name)

    def _to_caller(self, message: bytes) -> None:
        self._caller.receive(message, virtual_loop().time() * 1000.0)

    def send_audio(self, audio: bytes) -> None:
        self._to_caller(self._dialect.audio(audio))

    def send_mark(self, name: str) -> None:
        self._to_caller(self._dialect.mark(name))

    def send_clear(self) -> bool:
        clear = self._dialect.clear()
        assert clear is not None
        self._to_caller(clear)
        return True

    def send_transcript(self, role: str, text: str) -> None: ...
    def hang_up(self) -> None: ...
    def event(self, event: CallEvent) -> None: ...
    def turn_finished(self, turn: Turn) -> None: ...
    def ended(self, reason: EndReason, at_ms: float) -> None: ...
    def caller(self, at_ms: float, pcm: bytes) -> None: ...
    def agent(self, at_ms: float, pcm: bytes) -> None: ...
    def erase_agent_after(self, at_ms: float) -> None: ...
