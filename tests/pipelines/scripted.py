"""Scripted engines and a carrier for call plays: they keep the protocols, and never guess.

Speech is coded into the audio: every spoken text has a µ-law level of its own, so the recogniser
understands exactly the audio that it was given, and the carrier knows which words it played.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from random import Random

import msgspec
from virtual_time import pass_ms, virtual_loop

from pipelines.audio import FRAME_MS, TELEPHONE, AudioFormat, rms, silence, to_pcm16
from pipelines.conversation import Conversation
from pipelines.errors import StageError
from pipelines.events import CallEvent, EndReason
from pipelines.stages import (
    Expect,
    Hint,
    LlmEvent,
    LlmRequest,
    Message,
    TextDelta,
    ToolCall,
    Transcript,
    TtsChunk,
    Voice,
    Word,
)
from pipelines.timing import Turn

WORD_MS = 240
LEVELS = 48  # µ-law codes from the loudest down to -18 dBFS
COUGH = 0x80 + LEVELS  # as loud as speech, and no text


def tone(code: int, size: int) -> bytes:
    """A square wave of 1 kHz at the level of a µ-law code."""
    return (bytes([code]) * 4 + bytes([code & 0x7F]) * 4) * (size // 8 + 1)


def cough(size: int) -> bytes:
    """Noise at the level of a µ-law code."""
    return bytes(Random(size).choices((COUGH, COUGH & 0x7F), k=size))


class Codebook:
    """Which level stands for which text."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def code(self, text: str) -> int:
        if text not in self.texts:
            self.texts.append(text)
            assert len(self.texts) <= LEVELS, "a play has no more lines than there are levels"
        return 0x80 + self.texts.index(text)


# --- engines --------------------------------------------------------------------------------------


class LoudnessVad:
    def feed(self, pcm: bytes) -> bool:
        return rms(pcm) > 500


class Recogniser:
    """An `SttSession`: hears the words that the audio carries, `finish_ms` after a flush."""

    def __init__(self, book: Codebook) -> None:
        self._samples = {to_pcm16(bytes([0x80 + i]), TELEPHONE.codec): i for i in range(LEVELS)}
        self._book = book
        self._heard: dict[int, int] = {}  # line → samples heard
        self.lengths: dict[int, int] = {}  # line → samples that it has
        self.finish_ms = 60.0
        self.failing = False
        self.hanging = False
        self.partials = True
        self.flushing = 0
        self.closed = False

    @property
    def partial(self) -> str:
        return self._text() if self.partials else ""

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        assert not self.closed
        self._heard.clear()

    def feed(self, pcm: bytes) -> None:
        assert not self.closed
        for at in range(0, len(pcm), 80):  # windows of 5 ms: whole waves, that begin with their positive half
            line = self._samples.get(pcm[at : at + 2])
            if line is not None:
                self._heard[line] = self._heard.get(line, 0) + 40

    async def flush(self) -> Transcript:
        self.flushing += 1
        try:
            if self.hanging:
                await asyncio.get_running_loop().create_future()
            await pass_ms(self.finish_ms)
        finally:
            self.flushing -= 1
        if self.failing:
            raise StageError("out of order", stage="stt", provider="scripted")
        return Transcript(self._text())

    def end(self) -> None:
        self._heard.clear()

    async def close(self) -> None:
        self.closed = True

    def _text(self) -> str:
        said = []
        for line, samples in self._heard.items():
            words = self._book.texts[line].split()
            said += words[: round(len(words) * samples / self.lengths[line])]
        return " ".join(said)


class Line(msgspec.Struct, frozen=True):
    """What the model does in one request."""

    text: str = ""
    first_token_ms: float = 200.0
    word_ms: float = 15.0
    tools: tuple[ToolCall, ...] = ()
    expect: Expect | None = None
    fails: bool = False


class Model:
    """An `Llm` that speaks its lines, one a request."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = list(lines)
        self.requests: list[list[Message]] = []
        self.open = 0

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        self.requests.append(list(request.messages))
        line = self._lines.pop(0)
        self.open += 1
        try:
            await pass_ms(line.first_token_ms)
            if line.fails and not line.text:
                raise StageError("429", stage="llm", provider="scripted")
            if line.expect is not None:
                yield Hint(line.expect)
            for word in line.text.split():
                yield TextDelta(f"{word} ")
                await pass_ms(line.word_ms)
            if line.fails:
                raise StageError("connection reset", stage="llm", provider="scripted")
            for call in line.tools:
                yield call
        finally:
            self.open -= 1

    async def close(self) -> None: ...


class Speaker:
    """A `Tts`: every word lasts 240 ms, at the level of its chunk."""

    def __init__(self, book: Codebook) -> None:
        self._book = book
        self.first_audio_ms = 80.0
        self.piece_ms = 0.0  # between two pieces
        self.leading_silence_ms = 0
        self.failures = 0  # that come next
        self.slow: dict[str, float | None] = {}  # milliseconds to the first audio of a text; None: there is none
        self.open = 0
        self.said: list[str] = []

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        assert audio_format == TELEPHONE
        self.open += 1
        try:
            first_ms = self.slow.get(text, self.first_audio_ms)
            if first_ms is None:
                return
            await pass_ms(first_ms)
            if self.failures:
                self.failures -= 1
                raise StageError("no voice", stage="tts", provider="scripted")
            self.said.append(text)
            if self.leading_silence_ms:
                yield TtsChunk(silence(audio_format, self.leading_silence_ms))
            size, code = WORD_MS * audio_format.bytes_per_ms, self._book.code(text)
            for index, word in enumerate(text.split()):
                start = index * WORD_MS + self.leading_silence_ms
                yield TtsChunk(tone(code, size)[:size], (Word(word, start, start + WORD_MS),))
                await pass_ms(self.piece_ms)
        finally:
            self.open -= 1

    async def close(self) -> None: ...


# --- the other end --------------------------------------------------------------------------------


class Sent(msgspec.Struct, frozen=True):
    what: str  # audio | mark | clear | transcript | hang_up
    at_ms: float
    text: str = ""


class Carrier:
    """An `Outlet` that plays what it is sent, in order and real time, and returns marks as Twilio does."""

    audio_format = TELEPHONE

    def __init__(self, book: Codebook, now_ms: Callable[[], float], *, has_marks: bool = True) -> None:
        self._book = book
        self._now_ms = now_ms
        self.has_marks = has_marks
        self.loses_marks = False
        self.conversation: Conversation | None = None
        self.sent: list[Sent] = []
        self.frames: list[tuple[float, bytes]] = []  # (call time at which it plays, 5 ms of audio)
        self._free_ms = 0.0
        self._marks: dict[str, asyncio.TimerHandle] = {}

    def send_audio(self, audio: bytes) -> None:
        assert len(audio) % (FRAME_MS * 8) == 0
        self._note("audio")
        self._free_ms = max(self._free_ms, self._now_ms())
        for at in range(0, len(audio), 40):
            self.frames.append((self._free_ms, audio[at : at + 40]))
            self._free_ms += 5.0

    def send_mark(self, name: str) -> None:
        assert self.has_marks
        self._note("mark", name)
        if not self.loses_marks:
            left_s = max(0.0, self._free_ms - self._now_ms()) / 1000
            self._marks[name] = virtual_loop().call_later(left_s, self._return_mark, name)

    def send_clear(self) -> bool:
        self._note("clear")
        now = self._now_ms()
        self.frames = [frame for frame in self.frames if frame[0] < now]
        self._free_ms = now
        for name, timer in list(self._marks.items()):
            timer.cancel()
            self._return_mark(name)  # "marks after a clear are returned"
        return True

    def send_transcript(self, role: str, text: str) -> None:
        self._note("transcript", f"{role}: {text}")

    def hang_up(self) -> None:
        self._note("hang_up")

    def _return_mark(self, name: str) -> None:
        del self._marks[name]
        assert self.conversation is not None
        self.conversation.mark_returned(name)

    def _note(self, what: str, text: str = "") -> None:
        self.sent.append(Sent(what, self._now_ms(), text))

    def times(self, what: str) -> list[float]:
        return [sent.at_ms for sent in self.sent if sent.what == what]

    def audible(self, since_ms: float = 0.0) -> float | None:
        """When the first loud sample since then was played."""
        now = self._now_ms()
        return next((at for at, audio in self.frames if since_ms <= at < now and audio[0] != 0xFF), None)

    def heard(self, since_ms: float = 0.0) -> str:
        """The words that were played: a word counts once half of it was."""
        now = self._now_ms()
        played: dict[int, float] = {}
        for at, audio in self.frames:
            if since_ms <= at < now and audio[0] != 0xFF:
                code = audio[0] | 0x80
                played[code] = played.get(code, 0.0) + 5.0
        words = []
        for code, ms in played.items():
            words += self._book.texts[code - 0x80].split()[: int(ms / WORD_MS + 0.5)]
        return " ".join(words)


class Records:
    """A `Journal` and `Tape` that keeps everything."""

    def __init__(self) -> None:
        self.events: list[CallEvent] = []
        self.turns: list[Turn] = []
        self.recorded_ms = 0.0
        self.erased: list[float] = []

    def event(self, event: CallEvent) -> None:
        self.events.append(event)

    def turn_finished(self, turn: Turn) -> None:
        assert turn not in self.turns, "a turn is finished once"
        self.turns.append(turn)

    def ended(self, reason: EndReason, at_ms: float) -> None: ...

    def caller(self, at_ms: float, pcm: bytes) -> None:
        self.recorded_ms += len(pcm) / 16

    def agent(self, at_ms: float, pcm: bytes) -> None: ...

    def erase_agent_after(self, at_ms: float) -> None:
        self.erased.append(at_ms)
