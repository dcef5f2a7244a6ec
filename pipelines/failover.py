"""Ordered fallbacks: when an engine fails before it gave anything, the next one of the list takes over.

One object per call and stage around the shared engines; it implements the stage's own protocol, so the
driver never knows. A switch is reported, never silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Generic, TypeVar

import msgspec

from pipelines.audio import AudioFormat
from pipelines.errors import StageError, StageTimeout
from pipelines.stages import (
    Expect,
    Llm,
    LlmEvent,
    LlmRequest,
    Stt,
    SttOptions,
    SttSession,
    Transcript,
    Tts,
    TtsChunk,
    Voice,
)

LLM_OUTPUT_S = 6.0  # to the first event, and from one to the next
TTS_OUTPUT_S = 3.0
LONGEST_UTTERANCE_S = 60

T = TypeVar("T")
E = TypeVar("E", bound=Llm | Stt | Tts)


class Switched(msgspec.Struct, frozen=True):
    """An engine failed. `to` is who was asked instead; "" when nobody was left."""

    stage: str
    provider: str
    to: str
    error: str


Report = Callable[[Switched], None]


class Named(msgspec.Struct, Generic[E]):
    """An engine and the provider name it was built from."""

    name: str
    engine: E


def next_name(engines: Sequence[Named[Any]], index: int) -> str:
    return engines[index + 1].name if index + 1 < len(engines) else ""


async def each_within(stream: AsyncGenerator[T, None], seconds: float, stage: str, provider: str) -> AsyncGenerator[T]:
    """The stream, with a deadline on the wait for every item; it is closed with this one. Raises StageTimeout."""
    async with aclosing(stream):
        while True:
            try:
                async with asyncio.timeout(seconds):
                    item = await anext(stream, None)
            except TimeoutError as error:
                raise StageTimeout(f"nothing came within {seconds:g} s", stage=stage, provider=provider) from error
            if item is None:
                return
            yield item


class FailoverLlm:
    """Llm over an ordered list."""

    def __init__(self, engines: Sequence[Named[Llm]], report: Report) -> None:
        self._engines = engines
        self._report = report

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        for index, named in enumerate(self._engines):
            started = False
            inner = named.engine.stream(request)
            try:
                async with aclosing(each_within(inner, LLM_OUTPUT_S, "llm", named.name)) as events:
                    async for event in events:
                        started = True
                        yield event
                return
            except StageError as error:
                to = "" if started else next_name(self._engines, index)
                self._report(Switched("llm", named.name, to, error.message))
                if not to:
                    raise

    async def close(self) -> None:
        """The engines are shared and stay open."""


class FailoverTts:
    """Tts over an ordered list."""

    def __init__(self, engines: Sequence[Named[Tts]], report: Report) -> None:
        self._engines = engines
        self._report = report

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        for index, named in enumerate(self._engines):
            started = False
            # A voice id belongs to the provider it was chosen for.
            chosen = voice if index == 0 else Voice(language=voice.language, speed=voice.speed)
            inner = named.engine.synthesize(text, chosen, audio_format)
            try:
                async with aclosing(each_within(inner, TTS_OUTPUT_S, "tts", named.name)) as chunks:
                    async for chunk in chunks:
                        started = True
                        yield chunk
                return
            except StageError as error:
                to = "" if started else next_name(self._engines, index)
                self._report(Switched("tts", named.name, to, error.message))
                if not to:
                    raise

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
                assert self._session is not None
                return await self._session.flush()
            except StageError as error:
                await self._give_up_session()
                given_up = attempt == len(self._engines) or not error.retriable
                if self._index + 1 < len(self._engines):
                    self._index += 1
                to = "" if given_up else self._engines[self._index].name
                self._report(Switched("stt", error.provider, to, error.message))
                if given_up:
                    raise
        raise AssertionError("the loop returns or raises")

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
