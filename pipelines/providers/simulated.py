"""Engines with known delays and no work behind them, for measuring everything around the engines.

What they take is what their options say, on the event loop's clock; what they answer is the same for
the same seed and the same input. They hear nothing and mean nothing: never a fallback for a real call.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from functools import lru_cache
from random import Random
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from pipelines.audio import AudioFormat, from_pcm16
from pipelines.errors import StageError
from pipelines.registry import ProviderSpec
from pipelines.stages import (
    Expect,
    LlmEvent,
    LlmRequest,
    SttOptions,
    TextDelta,
    Transcript,
    TtsChunk,
    Usage,
    Voice,
    Word,
)

Milliseconds = Annotated[float, Meta(ge=0)]
Rate = Annotated[float, Meta(ge=0, le=1)]
Texts = Annotated[tuple[str, ...], Meta(min_length=1)]

PIECE_MS = 200


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    jitter_ms: Milliseconds = 0.0  # every wait is longer by 0 to this much, evenly distributed
    failure_rate: Rate = 0.0  # of requests; they fail after their wait
    seed: int = 1


class SimulatedStt(Settings, frozen=True):
    finish_ms: Milliseconds = 60.0  # from flush to transcript
    texts: Texts = ("I would like to book an appointment.",)  # one an utterance, in turn


class SimulatedLlm(Settings, frozen=True):
    first_token_ms: Milliseconds = 250.0
    tokens_per_s: Annotated[float, Meta(gt=0)] = 60.0  # a token is a word here
    texts: Texts = ("Of course, I can help you with that. What day would suit you?",)  # one a turn, in turn


class SimulatedTts(Settings, frozen=True):
    first_audio_ms: Milliseconds = 120.0
    realtime_factor: Annotated[float, Meta(gt=0)] = 10.0  # seconds of speech made in a second
    ms_per_character: Annotated[float, Meta(gt=0)] = 60.0
    speech_ms: Milliseconds = 0.0  # of every chunk, whatever its text; 0: by its characters


class SimulatedOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Each stage reads its own block, so that one block of YAML can serve all three."""

    stt: SimulatedStt = SimulatedStt()
    llm: SimulatedLlm = SimulatedLlm()
    tts: SimulatedTts = SimulatedTts()


class _Fate:
    """The chance of one session or request: how long its waits are, and whether it fails."""

    def __init__(self, stage: str, settings: Settings, who: object) -> None:
        self._stage = stage
        self._settings = settings
        self._random = Random(f"{settings.seed}/{stage}/{who}".encode("utf-8", "replace"))

    def wait_s(self, ms: float) -> float:
        return (ms + self._random.random() * self._settings.jitter_ms) / 1000

    def decide(self) -> None:
        """Raises StageError at the rate that was asked for."""
        if self._random.random() < self._settings.failure_rate:
            raise StageError("a failure was asked for", stage=self._stage, provider="simulated")


async def _until(deadline_s: float) -> None:
    """Sleeps to a time of the loop's clock: waits that follow one another do not add up their errors."""
    await asyncio.sleep(max(deadline_s - asyncio.get_running_loop().time(), 0.0))


class SimulatedSttSession:
    """A `SttSession`: one text an utterance, and none for an utterance without audio."""

    def __init__(self, settings: SimulatedStt, number: int) -> None:
        self._settings = settings
        self._fate = _Fate("stt", settings, number)
        self._utterance = -1
        self._heard_bytes = 0

    @property
    def partial(self) -> str:
        return ""

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        self._utterance += 1
        self._heard_bytes = 0

    def feed(self, pcm: bytes) -> None:
        self._heard_bytes += len(pcm)

    async def flush(self) -> Transcript:
        await asyncio.sleep(self._fate.wait_s(self._settings.finish_ms))
        self._fate.decide()
        if not self._heard_bytes:
            return Transcript("")
        return Transcript(self._settings.texts[self._utterance % len(self._settings.texts)])

    def end(self) -> None:
        self._heard_bytes = 0

    async def close(self) -> None:
        self._heard_bytes = 0


class SimulatedSttEngine:
    def __init__(self, settings: SimulatedStt) -> None:
        self._settings = settings
        self._opened = 0

    async def open(self, options: SttOptions) -> SimulatedSttSession:
        self._opened += 1
        return SimulatedSttSession(self._settings, self._opened)

    async def close(self) -> None:
        pass


class SimulatedLlmEngine:
    """A `Llm`: the text that belongs to the number of things the caller has said."""

    def __init__(self, settings: SimulatedLlm) -> None:
        self._settings = settings

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        fate = _Fate("llm", self._settings, len(request.messages))
        said = sum(message.role == "user" for message in request.messages)
        text = self._settings.texts[max(said - 1, 0) % len(self._settings.texts)]
        due_s = asyncio.get_running_loop().time() + fate.wait_s(self._settings.first_token_ms)
        await _until(due_s)
        fate.decide()
        tokens = re.findall(r"\S+\s*", text)
        for token in tokens:
            await _until(due_s)
            yield TextDelta(token)
            due_s += 1 / self._settings.tokens_per_s
        written = sum(len(message.content.split()) for message in request.messages)
        yield Usage(input_tokens=written, output_tokens=len(tokens))

    async def close(self) -> None:
        pass


@lru_cache(maxsize=8)
def _hum(audio_format: AudioFormat) -> bytes:
    """200 ms of a soft voice-like hum that can be repeated without a seam and is loud from its first sample."""
    seconds = np.arange(audio_format.rate_hz * PIECE_MS // 1000) / audio_format.rate_hz
    # Every frequency fits a whole number of times into 200 ms; cosines begin at their peak.
    tone = sum(np.cos(2 * np.pi * 150 * n * seconds) / n for n in range(1, 9))
    syllable = 0.65 + 0.35 * np.cos(2 * np.pi * 5 * seconds)
    samples = tone * syllable
    pcm = np.rint(samples / np.abs(samples).max() * 32767 * 10 ** (-6 / 20)).astype("<i2").tobytes()
    return from_pcm16(pcm, audio_format.codec)


class SimulatedTtsEngine:
    """A `Tts`: as much hum as the text would take to say."""

    def __init__(self, settings: SimulatedTts) -> None:
        self._settings = settings

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        if not text.strip():
            return
        fate = _Fate("tts", self._settings, text)
        due_s = asyncio.get_running_loop().time() + fate.wait_s(self._settings.first_audio_ms)
        await _until(due_s)
        fate.decide()
        total_ms = self._settings.speech_ms or len(text) * self._settings.ms_per_character / voice.speed
        left_bytes = max(round(total_ms * audio_format.rate_hz / 1000), 1) * audio_format.bytes_per_sample
        words = _words(text, audio_format.duration_ms(left_bytes))
        hum = _hum(audio_format)
        while left_bytes > 0:
            await _until(due_s)
            yield TtsChunk(hum[:left_bytes], words)
            words = ()
            left_bytes -= len(hum)
            due_s += PIECE_MS / 1000 / self._settings.realtime_factor

    async def close(self) -> None:
        pass


def _words(text: str, total_ms: float) -> tuple[Word, ...]:
    """Every word takes its share of the characters."""
    each_ms = total_ms / len(text)
    return tuple(
        Word(match.group(), match.start() * each_ms, match.end() * each_ms) for match in re.finditer(r"\S+", text)
    )


async def _stt(options: SimulatedOptions) -> SimulatedSttEngine:
    return SimulatedSttEngine(options.stt)


async def _llm(options: SimulatedOptions) -> SimulatedLlmEngine:
    return SimulatedLlmEngine(options.llm)


async def _tts(options: SimulatedOptions) -> SimulatedTtsEngine:
    return SimulatedTtsEngine(options.tts)


PROVIDER = ProviderSpec(name="simulated", options=SimulatedOptions, stt=_stt, llm=_llm, tts=_tts)
