"""One call's engines, noted down: wrappers that keep the protocols of `stages.py`.

Nothing here runs per frame: audio goes past it. What is noted, and when, decides nothing. Who keeps the notes is
somebody else (`Notebook`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Protocol

from pipelines import trace
from pipelines.abilities import HearsTurns, Hurried, TurnSign
from pipelines.audio import AudioFormat, rms, to_pcm16
from pipelines.brain.tools import Toolbox
from pipelines.errors import StageError
from pipelines.mouth import AUDIBLE_RMS, TRIM_STEP_MS
from pipelines.stages import (
    Expect,
    Llm,
    LlmEvent,
    LlmRequest,
    SttSession,
    ToolCall,
    Transcript,
    Tts,
    TtsChunk,
    TurnDetector,
    Voice,
)


class Notebook(Protocol):
    """Who keeps the notes of one call, and its audio. Synchronous, never blocks, never raises."""

    @property
    def heard_ms(self) -> float:
        """End of the newest frame of the caller's audio, in call time."""
        ...

    def note(self, entry: trace.Entry) -> None: ...


class Scribe:
    """The notebook with a clock."""

    def __init__(self, notebook: Notebook, now: Callable[[], float]) -> None:
        self.now = now  # call time
        self.note = notebook.note
        self._notebook = notebook
        self._time = asyncio.get_running_loop().time

    @property
    def heard_ms(self) -> float:
        return self._notebook.heard_ms

    def stopwatch(self) -> Callable[[], float]:
        """Milliseconds from here on."""
        started = self._time()
        return lambda: round((self._time() - started) * 1000.0, 1)


def tenths(ms: float) -> float:
    return round(ms, 1)


class TracedStt:
    """An `SttSession`. Audio does not pass through here: `feed` is the inner session's own."""

    def __init__(self, inner: SttSession, scribe: Scribe) -> None:
        self.feed = inner.feed
        self._inner = inner
        self._scribe = scribe
        self._partial = ""

    @property
    def partial(self) -> str:
        text = self._inner.partial
        if text != self._partial:
            self._partial = text
            self._scribe.note(trace.PartialRead(heard_ms=self._scribe.heard_ms, text=text))
        return text

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        self._partial = ""
        self._scribe.note(trace.UtteranceBegan(heard_ms=self._scribe.heard_ms, expect=expect))
        self._inner.begin(expect)

    async def flush(self) -> Transcript:
        heard_ms, elapsed = self._scribe.heard_ms, self._scribe.stopwatch()
        error, transcript = "", None
        try:
            transcript = await self._inner.flush()
            return transcript
        except StageError as failure:
            error = failure.message
            raise
        finally:
            self._scribe.note(
                trace.Flushed(
                    heard_ms=heard_ms,
                    took_ms=elapsed(),
                    text=transcript.text if transcript else "",
                    words=tuple((w.text, w.start_ms, w.end_ms) for w in transcript.words) if transcript else (),
                    error=error,
                    cut=transcript is None and not error,
                )
            )

    def hear_turns(self, told: Callable[[TurnSign], None]) -> None:
        """See `HearsTurns`. The signs are not on record: what they led to is."""
        if isinstance(self._inner, HearsTurns):
            self._inner.hear_turns(told)

    def hurry(self) -> None:
        if isinstance(self._inner, Hurried):
            self._inner.hurry()

    def end(self) -> None:
        self._inner.end()

    async def close(self) -> None:
        await self._inner.close()


class TracedDetector:
    """A `TurnDetector`."""

    def __init__(self, inner: TurnDetector, scribe: Scribe) -> None:
        self._inner = inner
        self._scribe = scribe

    async def probability(self, pcm: bytes, rate_hz: int) -> float:
        heard_ms, elapsed = self._scribe.heard_ms, self._scribe.stopwatch()
        probability, error = -1.0, ""
        try:
            probability = await self._inner.probability(pcm, rate_hz)
            return probability
        except StageError as failure:
            error = failure.message
            raise
        finally:
            self._scribe.note(
                trace.Detected(heard_ms=heard_ms, took_ms=elapsed(), probability=probability, error=error)
            )

    async def close(self) -> None:
        await self._inner.close()


class TracedLlm:
    """An `Llm`."""

    def __init__(self, inner: Llm, scribe: Scribe) -> None:
        self._inner = inner
        self._scribe = scribe

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        at_ms, elapsed = self._scribe.now(), self._scribe.stopwatch()
        said, after = last_words(request)
        gave: list[trace.Gave] = []
        error, cut = "", True
        try:
            async with aclosing(self._inner.stream(request)) as events:
                async for event in events:
                    gave.append(trace.Gave.of(elapsed(), event))
                    yield event
            cut = False
        except StageError as failure:
            error, cut = failure.message, False
            raise
        finally:
            self._scribe.note(
                trace.Asked(
                    at_ms=tenths(at_ms),
                    said=said,
                    after=after,
                    gave=tuple(gave),
                    took_ms=elapsed(),
                    error=error,
                    cut=cut,
                )
            )

    async def close(self) -> None:
        await self._inner.close()


def last_words(request: LlmRequest) -> tuple[str, int]:
    """What the caller said last, and how many messages came after it."""
    for after, message in enumerate(reversed(request.messages)):
        if message.role == "user":
            return message.content, after
    return "", len(request.messages)


class TracedToolbox(Toolbox):
    """The same tools."""

    def __init__(self, inner: Toolbox, scribe: Scribe) -> None:
        self.specs = inner.specs
        self._inner = inner
        self._scribe = scribe

    async def run(self, call: ToolCall, *, speculative: bool = False) -> str:
        at_ms, elapsed = self._scribe.now(), self._scribe.stopwatch()
        result = await self._inner.run(call, speculative=speculative)
        arguments: dict[str, Any] = call.arguments
        self._scribe.note(
            trace.ToolUsed(at_ms=tenths(at_ms), name=call.name, arguments=arguments, result=result, took_ms=elapsed())
        )
        return result


class TracedTts:
    """A `Tts`."""

    def __init__(self, inner: Tts, scribe: Scribe) -> None:
        self._inner = inner
        self._scribe = scribe

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        at_ms, elapsed = self._scribe.now(), self._scribe.stopwatch()
        pieces: list[trace.Piece] = []
        audible, error, cut = False, "", True
        try:
            async with aclosing(self._inner.synthesize(text, voice, audio_format)) as chunks:
                async for chunk in chunks:
                    size = len(chunk.audio)
                    quiet = 0 if audible else quiet_bytes(chunk.audio, audio_format)
                    audible = audible or quiet < size
                    words = tuple((w.text, tenths(w.start_ms), tenths(w.end_ms)) for w in chunk.words)
                    pieces.append(trace.Piece(elapsed(), size, quiet, words))
                    yield chunk
            cut = False
        except StageError as failure:
            error, cut = failure.message, False
            raise
        finally:
            self._scribe.note(
                trace.Spoke(
                    at_ms=tenths(at_ms), text=text, pieces=tuple(pieces), took_ms=elapsed(), error=error, cut=cut
                )
            )

    async def close(self) -> None:
        await self._inner.close()


def quiet_bytes(audio: bytes, audio_format: AudioFormat) -> int:
    """How much of the beginning a mouth would trim."""
    step = TRIM_STEP_MS * audio_format.bytes_per_ms
    for at in range(0, len(audio), step):
        if rms(to_pcm16(audio[at : at + step], audio_format.codec)) >= AUDIBLE_RMS:
            return at
    return len(audio)
