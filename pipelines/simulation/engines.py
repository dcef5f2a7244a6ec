"""Engines of a simulated call: they take the time they are told to take and hear what the script says.

The recogniser is an oracle: it knows which words lie in which frames of the caller's audio, and hears those
whose frames it was fed. Everything waits on the loop's clock only, and the same seed gives the same call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from random import Random

import msgspec

from pipelines.audio import FRAME_MS, AudioFormat, Codec
from pipelines.errors import AudioFormatError, StageError
from pipelines.stages import (
    Expect,
    Hint,
    LlmEvent,
    LlmRequest,
    TextDelta,
    Transcript,
    TtsChunk,
    Usage,
    Voice,
    Word,
)

VOICES = 48  # levels of the agent's voice: one a request, so that what is heard says which request it came from
SILENCE = 0xFF
PIECE_MS = 200
REALTIME_FACTOR = 10.0  # seconds of speech made in a second
ELSEWHERE = "something"  # what a misheard word becomes


class Delays(msgspec.Struct, frozen=True):
    """How slow and how faulty the engines are. `jitter_ms`: every wait is longer by 0 to this much."""

    stt_final_ms: float = 100.0  # from flush to text
    stt_partial_ms: float = 200.0  # a partial lags behind the audio by so much
    llm_first_token_ms: float = 150.0
    llm_word_ms: float = 15.0
    tts_first_audio_ms: float = 80.0
    ms_per_character: float = 60.0
    jitter_ms: float = 0.0
    word_errors: float = 0.0  # share of words that are misheard
    failures: float = 0.0  # share of requests to model and voice that fail, and of flushes
    hangs: float = 0.0  # share of requests that never answer


class Fate:
    """Chance, seeded: how long one call's waits are, and what fails."""

    def __init__(self, delays: Delays, seed: int) -> None:
        self._delays = delays
        self._random = Random(seed)

    async def wait(self, ms: float, stage: str) -> None:
        """Raises StageError at the rate that was asked for."""
        if self._random.random() < self._delays.hangs:
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep((ms + self._random.random() * self._delays.jitter_ms) / 1000)
        if self._random.random() < self._delays.failures:
            raise StageError("a failure was asked for", stage=stage, provider="simulation")

    def mishears(self) -> bool:
        return self._random.random() < self._delays.word_errors


class OracleStt:
    """A `SttSession` that knows where the caller's words are."""

    def __init__(self, delays: Delays, fate: Fate, knows: OracleStt | None = None) -> None:
        """`knows`: another oracle of the same call, that is told where the words are."""
        self._delays = delays
        self._fate = fate
        self._words: list[Word] = knows._words if knows else []  # of the whole call so far, in call time
        self._placed: dict[bytes, int] = knows._placed if knows else {}  # frame of audio → its number in the call
        self._heard: set[int] = set()
        self._newest_ms = 0.0
        self.closed = False

    def place(self, frame: bytes, number: int) -> None:
        """This frame of the caller's audio (as a session is fed with it) is the call's frame `number`."""
        self._placed[frame] = number

    def say(self, words: list[Word]) -> None:
        """These words will be spoken, at these call times."""
        misheard = [msgspec.structs.replace(w, text=ELSEWHERE) if self._fate.mishears() else w for w in words]
        self._words += misheard

    @property
    def partial(self) -> str:
        return " ".join(w.text for w in self._understood(self._newest_ms - self._delays.stt_partial_ms))

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        self._heard.clear()
        self._newest_ms = 0.0

    def feed(self, pcm: bytes) -> None:
        number = self._placed.get(pcm)
        if number is not None:
            self._heard.add(number)
            self._newest_ms = max(self._newest_ms, (number + 1.0) * FRAME_MS)
        else:
            self._newest_ms += FRAME_MS  # silence and noise: time passes

    async def flush(self) -> Transcript:
        await self._fate.wait(self._delays.stt_final_ms, "stt")
        words = tuple(self._understood(self._newest_ms))
        return Transcript(" ".join(w.text for w in words), words)

    def end(self) -> None:
        self._heard.clear()

    async def close(self) -> None:
        self.closed = True

    def _understood(self, until_ms: float) -> list[Word]:
        """Words whose middle was fed and that end before; the last frame of a word may be missing."""
        heard, until = self._heard, until_ms + FRAME_MS
        if not heard:
            return []
        newest_first: list[Word] = []
        oldest = min(heard) * FRAME_MS
        for word in reversed(self._words):
            if word.end_ms < oldest:
                break
            if word.end_ms <= until and int((word.start_ms + word.end_ms) / 2 // FRAME_MS) in heard:
                newest_first.append(word)
        return newest_first[::-1]


class Answer(msgspec.Struct, frozen=True):
    text: str
    expect: Expect = Expect.ANYTHING


class ScriptedLlm:
    """An `Llm` that says what it is told at the time of the request."""

    def __init__(self, answer: Callable[[], Answer], delays: Delays, fate: Fate) -> None:
        self._answer = answer
        self._delays = delays
        self._fate = fate
        self.open = 0
        self.requests: list[LlmRequest] = []

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        answer = self._answer()
        self.requests.append(request)
        self.open += 1
        try:
            await self._fate.wait(self._delays.llm_first_token_ms, "llm")
            if answer.expect is not Expect.ANYTHING:
                yield Hint(answer.expect)
            words = answer.text.split()
            for word in words:
                yield TextDelta(f"{word} ")
                await asyncio.sleep(self._delays.llm_word_ms / 1000)
            yield Usage(input_tokens=sum(len(m.content.split()) for m in request.messages), output_tokens=len(words))
        finally:
            self.open -= 1

    async def close(self) -> None: ...


class LevelTts:
    """A `Tts` whose requests each speak at a level of their own: see `request_of`."""

    def __init__(self, delays: Delays, fate: Fate, length_ms: Callable[[str], float]) -> None:
        """`length_ms`: how long a text takes to say; 0 leaves it to its characters."""
        self._delays = delays
        self._fate = fate
        self._length_ms = length_ms
        self.open = 0
        self.texts: list[str] = []  # by request

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        if audio_format.codec is not Codec.ULAW:
            raise AudioFormatError(f"a simulated voice speaks mu-law only, not {audio_format.codec}")
        request = len(self.texts)
        self.texts.append(text)
        self.open += 1
        try:
            await self._fate.wait(self._delays.tts_first_audio_ms, "tts")
            total_ms = self._length_ms(text) or len(text) * self._delays.ms_per_character
            frames = max(1, round(total_ms / FRAME_MS))
            each_ms = frames * FRAME_MS / len(text)
            words, at = [], 0
            for word in text.split():
                at = text.index(word, at)
                words.append(Word(word, at * each_ms, (at + len(word)) * each_ms))
                at += len(word)
            tone = _tone(request % VOICES) * (PIECE_MS // FRAME_MS)
            size = len(_tone(0))
            told = tuple(words)
            for first in range(0, frames, PIECE_MS // FRAME_MS):
                yield TtsChunk(tone[: min(PIECE_MS // FRAME_MS, frames - first) * size], told)
                told = ()
                await asyncio.sleep(PIECE_MS / 1000 / REALTIME_FACTOR)
        finally:
            self.open -= 1

    async def close(self) -> None: ...


def _tone(level: int) -> bytes:
    """One frame of a 1 kHz square wave in µ-law: code 0x80 is the loudest, 0x80 + 47 about -18 dBFS."""
    return (bytes([0x80 + level]) * 4 + bytes([level]) * 4) * (FRAME_MS * 8 // 8)


def request_of(frame: bytes) -> int | None:
    """Which request (modulo VOICES) a µ-law frame of the agent's voice speaks; None for silence."""
    code = frame[0] | 0x80
    return None if code == SILENCE else code - 0x80
