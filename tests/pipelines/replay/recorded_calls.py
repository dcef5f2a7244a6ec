"""Makes stored calls in virtual time: a spoken caller, real voice detection and machines, engines that take time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from config.schema import AgentSettings, CallLimits, StageSettings, TurnPolicy
from pipelines import trace
from pipelines.audio import TELEPHONE, rms, to_pcm16
from pipelines.brain.memory import MemoryCalendar, MemoryControl, MemoryKnowledge
from pipelines.brain.tools import Toolbox
from pipelines.conversation import Setup, Stages
from pipelines.errors import StageError
from pipelines.events import CallEvent, EndReason
from pipelines.pacer import Pacer
from pipelines.providers.simulated import SimulatedTts, SimulatedTtsEngine
from pipelines.providers.webrtc import WebrtcVad, WebrtcVadOptions
from pipelines.replay.stored import StoredCall
from pipelines.simulation.virtual_time import pass_ms, run_in_virtual_time, virtual_loop
from pipelines.stages import Expect, LlmEvent, LlmRequest, TextDelta, ToolCall, Transcript, Voice
from pipelines.timing import Turn
from pipelines.traced_engines import last_words
from pipelines.tracing import TracedConversation

AUDIO = Path(__file__).parents[2] / "audio"
NOW = datetime(2026, 11, 24, 10, 5, tzinfo=UTC)
TEXTS = {
    "book": "I would like to book an appointment",
    "book_rest": "for next Tuesday at ten.",
    "hours": "when are you open on Saturday?",
    "yes": "yes please",
    "no": "no thank you.",
}
# Each waits for the end of its turn as long as the settings say, and no end is guessed from words.
CALM = TurnPolicy(base_wait_ms=800, min_wait_ms=800, max_wait_ms=800, speculation=False)


class Said(msgspec.Struct, frozen=True):
    """A clip of `tests/audio`, from `at_ms` of call time on."""

    at_ms: int
    clip: str

    @property
    def audio(self) -> bytes:
        """Without the silence around it."""
        audio = (AUDIO / f"{self.clip}.ulaw").read_bytes()
        steps = range(0, len(audio) // 160 * 160, 160)
        loud = [at for at in steps if rms(to_pcm16(audio[at : at + 160], TELEPHONE.codec)) > 300]
        return audio[loud[0] : loud[-1] + 160]

    @property
    def ends_ms(self) -> float:
        return self.at_ms + len(self.audio) / 8


class Recogniser:
    """An `SttSession` that knows which word lies where."""

    def __init__(self, said: Sequence[Said], heard: Callable[[], float]) -> None:
        self._heard = heard
        self._from_ms = 0.0
        self._words = []
        for one in said:
            words = TEXTS[one.clip].split()
            each = (one.ends_ms - one.at_ms) / len(words)
            self._words += [(one.at_ms + (index + 0.6) * each, word) for index, word in enumerate(words)]
        self.fails = False

    @property
    def partial(self) -> str:
        return self._text(self._heard() - 200.0)

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        self._from_ms = self._heard() - 300.0

    def feed(self, pcm: bytes) -> None: ...

    async def flush(self) -> Transcript:
        until_ms = self._heard()
        await pass_ms(70.0)
        if self.fails:
            raise StageError("out of order", stage="stt", provider="scripted")
        return Transcript(self._text(until_ms))

    def end(self) -> None: ...

    async def close(self) -> None: ...

    def _text(self, until_ms: float) -> str:
        return " ".join(word for at_ms, word in self._words if self._from_ms < at_ms <= until_ms)


class Model:
    """An `Llm`: repeats what was said; looks up the hours first; says goodbye to a no."""

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        said, after = last_words(request)
        await pass_ms(150.0)
        if "open" in said and not after:
            yield ToolCall("t1", "opening_hours", {})
            return
        if after and "no" in said:
            return
        for word in f"You said: {said} What else can I do for you today?".split():
            yield TextDelta(f"{word} ")
            await pass_ms(15.0)
        if said.startswith("no"):
            yield ToolCall("t2", "end_call", {})

    async def close(self) -> None: ...


class FarEnd:
    """`Outlet`, `Journal`, `Tape` and `Notebook`."""

    audio_format = TELEPHONE
    has_marks = True

    def __init__(self, now: Callable[[], float], mark_delay_ms: float) -> None:
        self._now = now
        self._delay_ms = mark_delay_ms
        self._ends_ms = 0.0
        self._marks: list[asyncio.TimerHandle] = []
        self.returns_mark: Callable[[str], None] = lambda name: None
        self.heard_ms = 0.0
        self.entries: list[trace.Entry] = []
        self.pcm = bytearray()
        self.turns: list[Turn] = []
        self.events: list[CallEvent] = []

    def send_audio(self, audio: bytes) -> None:
        self._ends_ms = max(self._ends_ms, self._now()) + len(audio) / 8

    def send_mark(self, name: str) -> None:
        wait_s = max(0.0, self._ends_ms + self._delay_ms - self._now()) / 1000
        self._marks.append(virtual_loop().call_later(wait_s, self._return, name))

    def _return(self, name: str) -> None:
        self.returns_mark(name)

    def send_clear(self) -> bool:
        self._ends_ms = self._now()
        return True

    def send_transcript(self, role: str, text: str) -> None: ...

    def hang_up(self) -> None: ...

    def close(self) -> None:
        for timer in self._marks:
            timer.cancel()

    def event(self, event: CallEvent) -> None:
        self.events.append(event)

    def turn_finished(self, turn: Turn) -> None:
        self.turns.append(turn)

    def ended(self, reason: EndReason, at_ms: float) -> None: ...

    def caller(self, at_ms: float, pcm: bytes) -> None:
        if at_ms != self.heard_ms:
            self.note(trace.Gap(from_ms=self.heard_ms, until_ms=at_ms))
        self.pcm += bytes(int(at_ms) * 16 - len(self.pcm)) + pcm
        self.heard_ms = at_ms + 20.0

    def agent(self, at_ms: float, pcm: bytes) -> None: ...

    def erase_agent_after(self, at_ms: float) -> None: ...

    def note(self, entry: trace.Entry) -> None:
        self.entries.append(entry)


class Recorded(msgspec.Struct, frozen=True):
    """A call as it went, and as it was stored."""

    turns: list[Turn]
    events: list[CallEvent]
    reason: EndReason
    ended_ms: float
    call: StoredCall


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What can go wrong between the caller and us, and what else he does."""

    prepared_ms: float = 0.0  # audio came for so long before the conversation began
    late_ms: Callable[[int], float] = lambda frame: 0.0
    lost: Iterable[int] = ()  # frames
    keys: dict[int, str] = {}  # pressed after a frame
    mark_delay_ms: float = 30.0
    recogniser_fails: bool = False


def record(
    said: Sequence[Said],
    *,
    length_ms: float,
    turn: TurnPolicy = CALM,
    limits: CallLimits | None = None,
    line: Line | None = None,
    greeting: str = "Hello there.",
) -> Recorded:
    agent = AgentSettings(turn=turn, limits=limits or CallLimits(), greeting=greeting)
    return run_in_virtual_time(_record(said, length_ms, agent, line or Line()))


async def _record(said: Sequence[Said], length_ms: float, agent: AgentSettings, line: Line) -> Recorded:
    loop = virtual_loop()
    pacer = Pacer()
    pacer.watch(_OtherCall())
    await pass_ms(7.3)  # the pacer serves others too: its ticks fall anywhere
    zero_ms = loop.time() * 1000.0
    end = FarEnd(lambda: loop.time() * 1000.0 - zero_ms, line.mark_delay_ms)
    recogniser = Recogniser(said, lambda: end.heard_ms)
    recogniser.fails = line.recogniser_fails
    setup = Setup(
        agent=agent,
        greeting=agent.greeting,
        system_prompt="",
        facts={},
        now=NOW,
        voice=Voice(),
        toolbox=_toolbox,
        inbound=TELEPHONE,
    )
    conversation = TracedConversation(
        setup,
        Stages(
            WebrtcVad(WebrtcVadOptions()).open(8000),
            recogniser,
            Model(),
            SimulatedTtsEngine(SimulatedTts(first_audio_ms=80.0)),
        ),
        end,
        end,
        end,
        pacer,
        notebook=end,
        engines={stage: StageSettings(provider="webrtc") for stage in ("vad", "stt", "llm", "tts")},
    )
    end.returns_mark = conversation.mark_returned
    frames = _frames(said, length_ms)
    held = int(line.prepared_ms // 20)
    await pass_ms(line.prepared_ms)
    conversation.clock.begin(loop.time() * 1000.0)
    for index in range(held):
        conversation.feed(frames[index], index * 20.0)
    running = asyncio.create_task(_until_ended(conversation))
    for index in range(held, len(frames)):
        await pass_ms(zero_ms + (index + 1) * 20.0 + line.late_ms(index) - loop.time() * 1000.0)
        if index not in line.lost:
            conversation.feed(frames[index], index * 20.0)
        if index in line.keys:
            conversation.dtmf(line.keys[index])
        if running.done():
            break
    conversation.end(EndReason.CALLER_HANGUP)
    reason, ended_ms = await running
    end.note(trace.Closed(heard_ms=end.heard_ms))
    end.close()
    pacer.close()
    stored = trace.decode(trace.encode(end.entries))
    return Recorded(end.turns, end.events, reason, ended_ms - zero_ms, StoredCall(stored, bytes(end.pcm)))


async def _until_ended(conversation: TracedConversation) -> tuple[EndReason, float]:
    reason = await conversation.run()
    return reason, virtual_loop().time() * 1000.0


def _frames(said: Sequence[Said], length_ms: float) -> list[bytes]:
    audio = bytearray(b"\xff" * (int(length_ms) * 8))
    for one in said:
        audio[one.at_ms * 8 : one.at_ms * 8 + len(one.audio)] = one.audio
    return [bytes(audio[at : at + 160]) for at in range(0, len(audio), 160)]


class _OtherCall:
    def watch(self, now_ms: float) -> None: ...


def _toolbox(hang_up: Callable[[], None]) -> Toolbox:
    calendar = MemoryCalendar([], [], now=lambda: NOW)
    return Toolbox(MemoryKnowledge([]), calendar, MemoryControl(hang_up), now=lambda: NOW)
