"""Engines that die at a moment of a simulated call, each with a sound one standing by.

What dies is open requests as well as new ones. Nobody is told before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from enum import StrEnum
from typing import TypeVar

import msgspec

from pipelines.audio import TELEPHONE, AudioFormat
from pipelines.errors import KeyRefused, Remedy, StageError
from pipelines.failover import FailoverLlm, FailoverSttSession, FailoverTts, Report
from pipelines.roster import Named
from pipelines.setup import Stages
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

T = TypeVar("T")

RETRY_AFTER_S = 2.0


class How(StrEnum):
    STALLS = "stalls"  # nothing comes any more
    BREAKS = "breaks"  # the connection is gone, and a new one too
    IS_LIMITED = "is limited"  # it says when to come again
    REFUSES = "refuses"  # the key is not accepted any more
    ENDS = "ends"  # as if it had given everything


class Death(msgspec.Struct, frozen=True):
    """`stage`: stt, llm or tts. From `at_ms` of call time on, for good."""

    stage: str
    how: How
    at_ms: float


class Mortal:
    """What the dying engine of a stage has in common with those of the others."""

    def __init__(self, death: Death, now_ms: Callable[[], float]) -> None:
        self._death = death
        self._now_ms = now_ms

    async def step(self, step: Awaitable[T]) -> T | None:
        """The next of what a sound engine gives; None, as its end. Raises StageError."""
        try:
            async with asyncio.timeout(max(self._death.at_ms - self._now_ms(), 0.0) / 1000):
                return await step
        except TimeoutError:
            await self._die()
            return None

    async def _die(self) -> None:
        stage, how = self._death.stage, self._death.how
        if how is How.STALLS:
            await asyncio.get_running_loop().create_future()
        if how is How.BREAKS:
            raise StageError("connection reset", stage=stage, provider="dying")
        if how is How.REFUSES:
            raise KeyRefused("HTTP 401", stage=stage, provider="dying", remedy=Remedy.SWITCH)
        if how is How.IS_LIMITED:
            raise StageError(
                "HTTP 429", stage=stage, provider="dying", remedy=Remedy.SWITCH, retry_after_s=RETRY_AFTER_S
            )


class MortalLlm:
    """An `Llm`."""

    def __init__(self, inner: Llm, mortal: Mortal) -> None:
        self._inner = inner
        self._mortal = mortal

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        async with aclosing(self._inner.stream(request)) as events:
            while (event := await self._mortal.step(anext(events, None))) is not None:
                yield event

    async def close(self) -> None: ...


class MortalTts:
    """A `Tts`."""

    def __init__(self, inner: Tts, mortal: Mortal) -> None:
        self._inner = inner
        self._mortal = mortal

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        async with aclosing(self._inner.synthesize(text, voice, audio_format)) as chunks:
            while (chunk := await self._mortal.step(anext(chunks, None))) is not None:
                yield chunk

    async def close(self) -> None: ...


class MortalStt:
    """An `Stt` with one session. A dead one that "ends" has heard nothing."""

    def __init__(self, inner: SttSession, mortal: Mortal | None) -> None:
        self._inner = inner
        self._mortal = mortal

    async def open(self, options: SttOptions) -> MortalStt:
        return self

    @property
    def partial(self) -> str:
        return self._inner.partial

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        self._inner.begin(expect)

    def feed(self, pcm: bytes) -> None:
        self._inner.feed(pcm)

    async def flush(self) -> Transcript:
        if self._mortal is None:
            return await self._inner.flush()
        return await self._mortal.step(self._inner.flush()) or Transcript("")

    def end(self) -> None:
        self._inner.end()

    async def close(self) -> None:
        self._inner.end()


def standing_by(
    stages: Stages, spare_stt: SttSession, death: Death, now_ms: Callable[[], float], report: Report
) -> Stages:
    """The engines of a call, of which one will die. The spare model and voice are the same, and do not."""
    mortal = Mortal(death, now_ms)
    stt, llm, tts = stages.stt, stages.llm, stages.tts
    if death.stage == "stt":
        ears = [Named[Stt]("dying", MortalStt(stt, mortal)), Named[Stt]("sound", MortalStt(spare_stt, None))]
        stt = FailoverSttSession(ears, SttOptions(rate_hz=TELEPHONE.rate_hz), report)
    elif death.stage == "llm":
        llm = FailoverLlm([Named[Llm]("dying", MortalLlm(llm, mortal)), Named("sound", llm)], report)
    else:
        tts = FailoverTts([Named[Tts]("dying", MortalTts(tts, mortal)), Named("sound", tts)], report)
    return msgspec.structs.replace(stages, stt=stt, llm=llm, tts=tts)
