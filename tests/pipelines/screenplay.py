"""A stage for call plays: a real conversation between scripted engines, a carrier and a caller, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from scripted import Carrier, Codebook, Line, LoudnessVad, Model, Recogniser, Records, Speaker, cough, tone
from virtual_time import pass_ms, virtual_loop

from config.schema import AgentSettings, CallLimits, TurnPolicy
from pipelines.audio import FRAME_MS, TELEPHONE
from pipelines.brain.memory import MemoryCalendar, MemoryControl, MemoryKnowledge
from pipelines.brain.ports import OpeningHours, Service
from pipelines.brain.tools import Toolbox
from pipelines.conversation import Conversation, Setup, Stages
from pipelines.events import CallEvent, EndReason, EventKind
from pipelines.meter import Meter
from pipelines.pacer import Pacer
from pipelines.stages import Llm, Message, SttSession, ToolCall, Tts, TurnDetector, Voice
from pipelines.timing import Turn

NOW = datetime(2026, 11, 24, 10, 5, tzinfo=UTC)
GREETING = "Hello, how can I help you?"
OFFER = "Of course, I can help you with that. What day would suit you best?"
END_CALL = ToolCall("t1", "end_call", {})
BOOK = ToolCall(
    "t1",
    "book_appointment",
    {"start": "2026-11-25T10:00", "service": "haircut", "customer_name": "Ann", "customer_phone": "+4420"},
)


class Call:
    """One call: `async with Call([Line(...)]) as call`, then act. Times are call time in milliseconds."""

    def __init__(
        self,
        lines: Sequence[Line] = (),
        *,
        greeting: str = GREETING,
        turn: TurnPolicy | None = None,
        limits: CallLimits | None = None,
        has_marks: bool = True,
        language: str = "en",
        detector: TurnDetector | None = None,
        gather: bool = False,
    ) -> None:
        """`gather`: frames reach the conversation together, as many as it says may wait."""
        self._gather = gather
        self.feeds = 0
        self._detector = detector
        self.book = Codebook()
        self.model = Model(lines)
        self.recogniser = Recogniser(self.book)
        self.speaker = Speaker(self.book)
        self.records = Records()
        self.calendar = MemoryCalendar(
            [Service("haircut", 30)],
            [OpeningHours(day, NOW.time().replace(8, 0), NOW.time().replace(18, 0)) for day in range(7)],
            now=lambda: NOW,
        )
        self.pacer = Pacer()
        self.reason: EndReason | None = None
        self._start_ms = virtual_loop().time() * 1000
        self._frames = 0
        self._queue = bytearray()
        agent = AgentSettings(
            language=language, turn=turn or TurnPolicy(), limits=limits or CallLimits(caller_silence_s=60)
        )
        self.carrier = Carrier(self.book, lambda: self.now, has_marks=has_marks)
        self._setup = Setup(
            agent=agent,
            greeting=greeting,
            system_prompt="You are the receptionist.",
            facts={},
            now=NOW,
            voice=Voice(),
            toolbox=self._toolbox,
            inbound=TELEPHONE,
        )
        self.use(self.recogniser, self.model, self.speaker)

    def use(self, stt: SttSession, llm: Llm, tts: Tts, meter: Meter | None = None) -> None:
        """Other engines than the scripted ones. Before the call."""
        stages = Stages(LoudnessVad(), stt, llm, tts, self._detector, meter or Meter())
        self.conversation = Conversation(self._setup, stages, self.carrier, self.records, self.records, self.pacer)
        self.carrier.conversation = self.conversation

    def _toolbox(self, hang_up: Callable[[], None]) -> Toolbox:
        return Toolbox(
            MemoryKnowledge([]), self.calendar, MemoryControl(hang_up), now=lambda: NOW, caller_phone="+4420"
        )

    async def __aenter__(self) -> Call:
        self._run = asyncio.create_task(self._until_ended())
        self._line = asyncio.create_task(self._carry_frames())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.conversation.end(EndReason.CALLER_HANGUP)
        try:
            await self._run
        finally:
            self._line.cancel()
            await asyncio.wait([self._line])
            self.pacer.close()
        if not self._line.cancelled():
            self._line.result()  # a frame that was fed broke something
        if kind is None:
            self._check_nothing_left()

    def _check_nothing_left(self) -> None:
        """True at the end of every call, however it went."""
        assert self.recogniser.closed
        assert self.model.open == self.speaker.open == 0, "requests at the providers are closed"
        indices = [turn.index for turn in self.records.turns]
        assert indices == sorted(set(indices))
        assert len(self.pacer) == 0

    async def _until_ended(self) -> None:
        self.reason = await self.conversation.run()

    async def _carry_frames(self) -> None:
        """The caller's side of the line: one frame each 20 ms, silence when nobody speaks."""
        held, arrivals, size = b"", list[float](), FRAME_MS * 8
        while True:
            due_ms = (self._frames + 1) * FRAME_MS
            await pass_ms(max(0.0, due_ms - self.now))
            frame, self._queue = bytes(self._queue[:size]), self._queue[size:]
            self._frames += 1
            held += frame + b"\xff" * (size - len(frame))
            arrivals.append(self.pacer.now_ms())
            if not self._gather or len(arrivals) > self.conversation.spare_frames:
                self.conversation.feed(held, float((self._frames - len(arrivals)) * FRAME_MS), arrivals)
                held, arrivals, self.feeds = b"", [], self.feeds + 1

    # --- what happens -------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        return virtual_loop().time() * 1000 - self._start_ms

    async def wait(self, ms: float) -> None:
        await pass_ms(ms)

    async def until(self, what: Callable[[], Any], within_ms: float = 10_000.0) -> float:
        """When it came true, to 5 ms."""
        deadline = self.now + within_ms
        while not what():
            assert self.now < deadline, f"did not happen within {within_ms:g} ms\n{self.story()}"
            await pass_ms(5)
        return self.now

    def begin_to_speak(self, text: str, ms: float) -> None:
        """The caller speaks from the next frame on."""
        size = round(ms) * 8
        code = self.book.code(text)
        self.recogniser.lengths[code - 0x80] = size
        self._queue += tone(code, size)[:size]

    async def speak(self, text: str, ms: float = 1200.0) -> float:
        """The caller says something. Returns the call time of its last sample."""
        self.begin_to_speak(text, ms)
        return await self._spoken()

    async def cough(self, ms: float) -> float:
        self._queue += cough(round(ms) * 8)
        return await self._spoken()

    async def _spoken(self) -> float:
        end = self._frames * FRAME_MS + len(self._queue) / 8
        await pass_ms(end - self.now)
        return end

    async def greeted(self) -> None:
        """The greeting was said and heard."""
        await self.until(lambda: self.records.turns)

    async def answered(self, since_ms: float, within_ms: float = 3000.0) -> float:
        """When the first audio since then was heard."""
        await self.until(lambda: self.carrier.audible(since_ms) is not None, within_ms)
        at = self.carrier.audible(since_ms)
        assert at is not None
        return at

    async def turn_over(self) -> Turn:
        """The next turn that is finished."""
        count = len(self.records.turns)
        await self.until(lambda: len(self.records.turns) > count)
        return self.records.turns[-1]

    async def ended(self, within_ms: float = 20_000.0) -> EndReason:
        await self.until(lambda: self._run.done(), within_ms)
        assert self.reason is not None
        return self.reason

    def events(self, kind: EventKind) -> list[CallEvent]:
        return [event for event in self.records.events if event.kind is kind]

    def story(self) -> str:
        lines = [(e.at_ms, f"{e.kind} {e.turn} {e.data}") for e in self.records.events]
        lines += [(s.at_ms, f"→ {s.what} {s.text}") for s in self.carrier.sent if s.what != "audio"]
        return "\n".join(f"{at:8.0f} {text}" for at, text in sorted(lines))


def said(messages: Sequence[Message]) -> list[tuple[str, str]]:
    """Roles and texts of a request, without the prompt."""
    return [(m.role, m.content) for m in messages if m.role in ("user", "assistant") and m.content]
