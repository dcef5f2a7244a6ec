"""One call's recogniser: keeps the utterance, asks the shared engine at pauses, and does not ask twice for the same.

What precedes a long pause is settled: its text stays, its audio is forgotten. The language, once detected, is kept.
"""

from __future__ import annotations

import asyncio
import math
from functools import partial

import msgspec
import numpy as np
import structlog

from pipelines.audio import Samples
from pipelines.stages import Expect, Transcript, Word
from pipelines.whisper import guards, listening
from pipelines.whisper.batcher import Batcher, Request
from pipelines.whisper.decoder import LONGEST_S, Heard, Utterance

WINDOW_S = LONGEST_S + 1  # of audio looked at at a time: enough to see that it must be cut
LONGEST_UTTERANCE_S = 300  # of which no word is settled; what comes later takes the place of the oldest
SURE = 0.5  # of a language, to keep it for the call
GOOD_CONFIDENCE = 0.5  # a text below it may change when more is heard
UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})  # written without spaces

log = structlog.get_logger(__name__)

WhisperBatcher = Batcher[Utterance, Heard]


class Part(msgspec.Struct, frozen=True):
    """The text of a stretch of the utterance. Its words' times count from the utterance's beginning."""

    text: str = ""
    words: tuple[Word, ...] = ()
    confidence: float = 0.0  # mean probability of a token
    language: str = ""


class Session:
    """An `SttSession` (see `pipelines.stages`), also a `Hurried` one."""

    def __init__(self, batcher: WhisperBatcher, rate_hz: int, settle_ms: int, about: Utterance) -> None:
        """`about`: what the call's utterances have in common."""
        self._batcher = batcher
        self._rate_hz = rate_hz
        self._settle_samples = settle_ms * rate_hz // 1000
        self._about = about
        self._begun = False
        self._request: Request[Utterance, Heard] | None = None
        self._hurried = False
        self._number = 0  # of the utterance
        self._forget()

    @property
    def partial(self) -> str:
        """The text at the newest pause that has been heard."""
        return self._transcript().text

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        self.end()
        self._begun = True

    def feed(self, pcm: bytes) -> None:
        if self._begun:
            self._audio += pcm
            excess = len(self._audio) - LONGEST_UTTERANCE_S * self._rate_hz * 2
            if excess > 0:
                self._cut(excess)

    async def flush(self) -> Transcript:
        """A later flush, or the utterance's end, makes it return with what is known."""
        if not self._begun:
            return Transcript("")
        self._drop()
        self._hurried = False
        self._settle()
        number, until = self._number, self._start + len(self._audio)
        while number == self._number and self._start + self._known_bytes < until:
            if not await self._hear(until - self._start):
                break
        return self._transcript() if number == self._number else Transcript("")

    def hurry(self) -> None:
        """Somebody waits for the flush under way: it goes before those of pauses that may end nothing."""
        self._hurried = True
        if self._request is not None:
            self._batcher.hurry(self._request)

    def end(self) -> None:
        self._drop()
        self._forget()
        self._number += 1
        self._begun = False

    async def close(self) -> None:
        self.end()

    # --- what is known ------------------------------------------------------------------------------

    def _forget(self) -> None:
        self._audio = bytearray()  # what is not settled
        self._start = 0  # bytes before it
        self._settled: list[Part] = []
        self._known = Part()  # text of the first `_known_bytes` of the audio
        self._known_bytes = 0

    def _transcript(self) -> Transcript:
        parts = [part for part in (*self._settled, self._known) if part.text]
        language = self._about.language or (parts[-1].language if parts else "")
        confidence = min((part.confidence for part in parts), default=None)
        text = ("" if language in UNSPACED else " ").join(part.text for part in parts)
        return Transcript(text, tuple(word for part in parts for word in part.words), language or None, confidence)

    def _settle(self) -> None:
        """When a text was good and a long pause followed it, what comes after cannot change it."""
        if self._known.text and self._known.confidence >= GOOD_CONFIDENCE:
            samples = self._samples(self._known_bytes + WINDOW_S * self._rate_hz * 2)
            begin, end = listening.pause_around(samples, self._known_bytes // 2, self._rate_hz)
            if end - begin >= self._settle_samples:
                self._settle_at((begin + end) // 2)

    def _settle_at(self, sample: int) -> None:
        self._settled.append(self._known)
        self._cut(sample * 2)

    def _cut(self, size: int) -> None:
        """Forget so many bytes of audio, and the text that begins with them."""
        del self._audio[:size]
        self._start += size
        self._known, self._known_bytes = Part(), 0

    def _samples(self, size: int) -> Samples:
        """The first `size` bytes, or what there is of them."""
        return np.frombuffer(bytes(self._audio[:size]), np.int16)

    # --- asking the engine --------------------------------------------------------------------------

    def _drop(self) -> None:
        if self._request is not None:
            self._batcher.drop(self._request)
            self._request = None

    async def _hear(self, size: int) -> bool:
        """Have more of the first `size` bytes transcribed; False: it is wanted no longer. Raises StageError."""
        samples = self._samples(min(size, WINDOW_S * self._rate_hz * 2))
        _, end = listening.windows(samples, self._rate_hz, LONGEST_S)[0]
        start, number = self._start, self._number
        if listening.is_silent(samples[:end], self._rate_hz):
            self._known, self._known_bytes = Part(), end * 2
        elif not await self._ask(samples[:end].tobytes()) or number != self._number or start != self._start:
            return False
        if end * 2 < size:
            self._settle_at(end)
        return True

    async def _ask(self, pcm: bytes) -> bool:
        """False: it was dropped. Raises StageError."""
        before = self._settled[-1].text if self._settled else ""
        utterance = msgspec.structs.replace(self._about, pcm=pcm, before=before)
        request = self._batcher.submit(utterance, urgent=self._hurried)
        self._request = request
        request.answer.add_done_callback(partial(self._learn, self._number, self._start, len(pcm)))
        try:
            await asyncio.wait([request.answer])
        finally:
            self._batcher.drop(request)
            if self._request is request:
                self._request = None
        if request.answer.cancelled():
            return False
        request.answer.result()
        return True

    def _learn(self, number: int, start: int, size: int, answer: asyncio.Future[Heard]) -> None:
        """Also from a flush that was cancelled too late to save its work: its text may be what a later one settles."""
        if answer.cancelled() or answer.exception() is not None:
            return
        if number == self._number and start == self._start and size > self._known_bytes:
            self._known, self._known_bytes = self._believed(answer.result()), size

    def _believed(self, heard: Heard) -> Part:
        doubt = guards.doubt(heard.text, heard.avg_logprob, heard.no_speech)
        if doubt is not None:
            log.info("text not believed", reason=doubt.value, no_speech=heard.no_speech, logprob=heard.avg_logprob)
            return Part()
        if not self._about.language and heard.text and heard.language_probability >= SURE:
            self._about = msgspec.structs.replace(self._about, language=heard.language)
        before_ms = self._start / 2 / self._rate_hz * 1000
        words = tuple(
            Word(word.text, before_ms + word.start_ms, before_ms + word.end_ms, word.confidence) for word in heard.words
        )
        return Part(heard.text, words, math.exp(min(heard.avg_logprob, 0.0)), heard.language)
