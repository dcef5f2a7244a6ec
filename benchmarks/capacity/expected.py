"""What our server would answer, and when, if it cost nothing: the same callers, turn machine and waits in virtual time.

The benchmark's own caller talks to a real conversation whose clock only moves when nobody has anything to do. So the
end-of-turn rule and the engines' waits are known exactly for every utterance, and what a loaded server adds is the
difference.
"""

from __future__ import annotations

import asyncio
import itertools

from benchmarks.capacity.caller import Caller, first_utterance
from benchmarks.capacity.figures import BLOCK_FRAMES, Answer, Expected, Figures
from benchmarks.capacity.servers import Waits
from benchmarks.capacity.speech import Utterance
from benchmarks.nothing import Nothing, plain_setup
from pipelines.audio import FRAME_MS, TELEPHONE
from pipelines.conversation import Conversation, Stages
from pipelines.events import EndReason
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
from pipelines.stages import SttOptions
from voicecore.transports.messages import Audio, MarkReturned
from voicecore.transports.timeline import Timeline
from voicecore.transports.twilio import TwilioDialect

GETTING_TO_KNOW = 2  # turns of a call that are answered later than the same words in all that follow
TURN_S = 12.0  # no utterance and its answer take longer


def expected_ms(script: list[Utterance], waits: Waits) -> Expected:
    """Whatever a call begins with, and wherever in a block of the voice detector it speaks. Takes some twelve seconds.
    Not to be called inside an event loop: it runs one of its own."""
    early: dict[tuple[str, int, int], float] = {}
    later: dict[tuple[str, int], float] = {}
    for first, place in itertools.product(range(len(script)), range(BLOCK_FRAMES)):
        number = next(n for n in itertools.count() if first_utterance(n, len(script)) == first)
        for answer in run_in_virtual_time(talk(script, waits, number, place, GETTING_TO_KNOW + 1)):
            if answer.turn < GETTING_TO_KNOW:
                early[answer.utterance, place, answer.turn] = answer.response_ms
            else:
                later[answer.utterance, place] = answer.response_ms
    return Expected(early, later)


async def talk(script: list[Utterance], waits: Waits, number: int, place: int | None, turns: int) -> list[Answer]:
    """The answers of one call; `place` as `Caller` knows it."""
    figures = Figures()
    line = _Line(figures, script, number, place)
    stt = await SimulatedSttEngine(SimulatedStt(finish_ms=waits.stt_ms)).open(SttOptions())
    llm = SimulatedLlm(first_token_ms=waits.first_token_ms, tokens_per_s=waits.tokens_per_s, texts=(waits.answer,))
    tts = SimulatedTts(first_audio_ms=waits.first_audio_ms, ms_per_character=waits.ms_per_character, realtime_factor=10)
    stages = Stages(
        vad=WebrtcVadStream(WebrtcVadOptions(), 8000),
        stt=stt,
        llm=SimulatedLlmEngine(llm),
        tts=SimulatedTtsEngine(tts),
    )
    pacer = Pacer()
    conversation = Conversation(plain_setup(), stages, line, line, line, pacer)
    running = asyncio.create_task(conversation.run())
    await line.call(conversation, wanted=turns)
    conversation.end(EndReason.CALLER_HANGUP)
    await running
    pacer.close()
    return figures.answers


class _Line(Nothing):
    """The wire between the caller and the conversation, without one; also a journal and a tape that keep nothing."""

    has_marks = True

    def __init__(self, figures: Figures, script: list[Utterance], number: int, place: int | None) -> None:
        self._dialect = TwilioDialect()
        self._timeline = Timeline(TELEPHONE)
        self._inbox: list[bytes] = []
        self._figures = figures
        self._caller = Caller(number, script, figures, self._inbox.append, barge_in=False, place=place)

    async def call(self, conversation: Conversation, wanted: int) -> None:
        """Frames each 20 ms, until so many utterances were answered."""
        loop = virtual_loop()
        self._caller.open("CA0", {}, loop.time() * 1000.0)
        self._deliver(conversation)
        ends_s = loop.time() + (1 + wanted) * TURN_S  # the first one waits for a greeting that does not come
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
