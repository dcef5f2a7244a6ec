"""Ordered fallbacks: when an engine fails before it gave anything, the next one of the list takes over.

One object per call and stage around the shared engines; it implements the stage's own protocol, so the
driver never knows. A switch is reported, never silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from pipelines.audio import AudioFormat
from pipelines.chain import Chain, Limits
from pipelines.chain import Named as Named
from pipelines.chain import Report as Report
from pipelines.chain import Switched as Switched
from pipelines.errors import Remedy, StageError, StageTimeout
from pipelines.stages import (
    Expect,
    Llm,
    LlmEvent,
    LlmRequest,
    Stt,
    SttOptions,
    SttSession,
    TextDelta,
    ToolCall,
    Transcript,
    Tts,
    TtsChunk,
    Voice,
)
from pipelines.stock import Stock

LLM_LIMITS = Limits(first_s=6.0, switch_s=2.5, next_s=6.0)
TTS_LIMITS = Limits(first_s=2.5, switch_s=1.2, next_s=2.0)
RECOVERY_MS = 400.0  # from a failure in the middle of a sentence to the apology
STT_SWITCH_S = 1.2  # to the transcript, when another recogniser can be asked; else who waits for it decides
LONGEST_UTTERANCE_S = 60


def next_name(engines: Sequence[Named[Any]], index: int) -> str:
    return engines[index + 1].name if index + 1 < len(engines) else ""


class FailoverLlm:
    """Llm over an ordered list."""

    def __init__(self, engines: Sequence[Named[Llm]], report: Report) -> None:
        self._chain = Chain("llm", engines, LLM_LIMITS, report)

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        """After a tool's result a model may have nothing to add; to a caller it has to say or do something."""
        answers_tool = bool(request.messages) and request.messages[-1].role == "tool"
        stream = self._chain.stream(lambda engine: engine.stream(request), _says_something, may_be_empty=answers_tool)
        async with aclosing(stream) as events:
            async for event in events:
                yield event

    async def close(self) -> None:
        """The engines are shared and stay open."""


def _says_something(event: LlmEvent) -> bool:
    return isinstance(event, ToolCall) or (isinstance(event, TextDelta) and bool(event.text.strip()))


class FailoverTts:
    """Tts over an ordered list; what is in `stock` needs no engine. `silence_ms`: how long it may be silent inside a
    sentence, where nobody can excuse it."""

    def __init__(
        self,
        engines: Sequence[Named[Tts]],
        report: Report,
        stock: Stock | None = None,
        *,
        silence_ms: float = 2500.0,
    ) -> None:
        self._first = engines[0].engine
        next_s = min(TTS_LIMITS.next_s, (silence_ms - RECOVERY_MS) / 1000.0)
        self._chain = Chain("tts", engines, msgspec.structs.replace(TTS_LIMITS, next_s=next_s), report)
        self._stock = stock or Stock(())

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        stock = self._stock.shelf(self._first, voice, audio_format)
        if (kept := stock.get(text)) is not None:
            for chunk in kept:
                yield chunk
            return
        asked: list[Tts] = []

        def ask(engine: Tts) -> AsyncGenerator[TtsChunk, None]:
            asked.append(engine)
            # A voice id belongs to the provider it was chosen for.
            chosen = voice if engine is self._first else Voice(language=voice.language, speed=voice.speed)
            return engine.synthesize(text, chosen, audio_format)

        made: list[TtsChunk] = []
        speakable = any(character.isalnum() for character in text)
        async with aclosing(self._chain.stream(ask, lambda c: bool(c.audio), may_be_empty=not speakable)) as chunks:
            async for chunk in chunks:
                made.append(chunk)
                yield chunk
        if asked[-1] is self._first:
            stock.put(text, made)

    async def stock_up(self, texts: Iterable[str], voice: Voice, audio_format: AudioFormat) -> None:
        """Have these in stock, as far as it takes them. Raises StageError."""

        async def make(text: str) -> None:
            async with aclosing(self.synthesize(text, voice, audio_format)) as chunks:
                async for _ in chunks:
                    pass

        for result in await asyncio.gather(*(make(text) for text in texts), return_exceptions=True):
            if result is not None:
                raise result

    async def close(self) -> None:
        """The engines are shared and stay open."""


async def open_stt(engines: Sequence[Named[Stt]], options: SttOptions, report: Report) -> FailoverSttSession:
    """A recogniser session on the first engine that opens. Raises the last StageError when none does."""
    session = FailoverSttSession(engines, options, report)
    await session.connect()
    return session


class FailoverSttSession:
    """SttSession that keeps the utterance, so that another engine can hear it again."""

    def __init__(self, engines: Sequence[Named[Stt]], options: SttOptions, report: Report) -> None:
        self._engines = engines
        self._options = options
        self._report = report
        self._index = 0
        self._session: SttSession | None = None
        self._expect = Expect.ANYTHING
        self._utterance: list[bytes] = []
        self._kept = 0
        self._limit = LONGEST_UTTERANCE_S * options.rate_hz * 2

    @property
    def partial(self) -> str:
        return self._session.partial if self._session else ""

    async def connect(self) -> None:
        while True:
            named = self._engines[self._index]
            try:
                self._session = await named.engine.open(self._options)
                return
            except StageError as error:
                to = next_name(self._engines, self._index)
                self._report(Switched("stt", named.name, to, error.message))
                if not to:
                    raise
                self._index += 1

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        self._utterance.clear()
        self._kept = 0
        self._expect = expect
        if self._session:
            self._session.begin(expect)

    def feed(self, pcm: bytes) -> None:
        if self._kept < self._limit:
            self._utterance.append(pcm)
            self._kept += len(pcm)
        if self._session:
            self._session.feed(pcm)

    async def flush(self) -> Transcript:
        """As the protocol says; a failed engine is replaced (or restarted, once) and hears the utterance again."""
        for attempt in range(len(self._engines) + 1):
            try:
                if self._session is None:
                    await self.connect()
                    self._hear_again()
                return await self._flush_in_time()
            except StageError as error:
                await self._give_up_session()
                given_up = attempt == len(self._engines) or error.remedy is Remedy.STOP
                if self._index + 1 < len(self._engines):
                    self._index += 1
                to = "" if given_up else self._engines[self._index].name
                self._report(Switched("stt", error.provider, to, error.message))
                error.reported = True
                if given_up:
                    raise
        raise AssertionError("the loop returns or raises")

    async def _flush_in_time(self) -> Transcript:
        """Raises StageError, StageTimeout."""
        assert self._session is not None
        is_last = self._index + 1 == len(self._engines)
        try:
            async with asyncio.timeout(None if is_last else STT_SWITCH_S):
                return await self._session.flush()
        except TimeoutError as error:
            provider = self._engines[self._index].name
            message = f"no transcript within {STT_SWITCH_S:g} s"
            raise StageTimeout(message, stage="stt", provider=provider) from error

    def _hear_again(self) -> None:
        assert self._session is not None
        self._session.begin(self._expect)
        for pcm in self._utterance:
            self._session.feed(pcm)

    async def _give_up_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def end(self) -> None:
        self._utterance.clear()
        self._kept = 0
        if self._session:
            self._session.end()

    async def close(self) -> None:
        await self._give_up_session()
