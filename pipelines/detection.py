"""Asks a detector at each stable pause whether the turn is over, with the utterance that the recogniser was given.

It stands in front of the recogniser's session, so nothing is kept where no detector is configured. It never delays
the transcript: an answer that comes too late, or not at all, changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from pipelines.abilities import HearsTurns, Hurried, TurnSign
from pipelines.errors import StageError
from pipelines.machines.endpointing import Endpointer
from pipelines.stages import Expect, SttSession, Transcript, TurnDetector

HEARD_S = 8
ANSWER_S = 0.4  # later than that the plain wait is over, or nearly


class DetectingStt:
    """An `SttSession` around another one."""

    def __init__(
        self,
        stt: SttSession,
        detector: TurnDetector,
        endpointer: Endpointer,
        rate_hz: int,
        failed: Callable[[StageError], None],
    ) -> None:
        self._stt = stt
        self._detector = detector
        self._endpointer = endpointer
        self._rate_hz = rate_hz
        self._failed = failed
        self._most = HEARD_S * rate_hz * 2
        self._heard = bytearray()
        self._asking: asyncio.Task[None] | None = None

    @property
    def partial(self) -> str:
        return self._stt.partial

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        self._forget()
        self._stt.begin(expect)

    def feed(self, pcm: bytes) -> None:
        self._heard += pcm
        if len(self._heard) > 2 * self._most:  # seldom, so that a frame costs no copying
            del self._heard[: -self._most]
        self._stt.feed(pcm)

    async def flush(self) -> Transcript:
        self._stop_asking()
        asked = self._ask(bytes(self._heard[-self._most :]), self._endpointer.last_speech_ms)
        self._asking = asyncio.create_task(asked)
        return await self._stt.flush()

    def hear_turns(self, told: Callable[[TurnSign], None]) -> None:
        if isinstance(self._stt, HearsTurns):
            self._stt.hear_turns(told)

    def hurry(self) -> None:
        if isinstance(self._stt, Hurried):
            self._stt.hurry()

    def end(self) -> None:
        self._forget()
        self._stt.end()

    async def close(self) -> None:
        asking = self._asking
        self._forget()
        if asking is not None:
            with suppress(asyncio.CancelledError):
                await asking
        await self._stt.close()

    async def _ask(self, audio: bytes, pause_ms: float) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                probability = await self._detector.probability(audio, self._rate_hz)
        except TimeoutError:
            return
        except StageError as error:
            self._failed(error)
            return
        self._endpointer.detected(probability, pause_ms)

    def _forget(self) -> None:
        self._stop_asking()
        self._heard.clear()

    def _stop_asking(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
