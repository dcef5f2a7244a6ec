"""Ordered fallbacks of a call's model and voice: when an engine fails, also in the middle of an answer, the next one of
the list gives what is left of it.

One object per call and stage around the shared engines; it implements the stage's own protocol, so the
driver never knows. A switch is reported, never silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing

import msgspec

from pipelines.audio import AudioFormat
from pipelines.chain import Chain
from pipelines.failover_stt import STT_LIMITS as STT_LIMITS
from pipelines.failover_stt import FailoverSttSession as FailoverSttSession
from pipelines.failover_stt import open_stt as open_stt
from pipelines.machines.resuming import Continuation, unspoken
from pipelines.meter import Asked, Meter, Part
from pipelines.news import News as News
from pipelines.news import Report as Report
from pipelines.news import Switched as Switched
from pipelines.request import Outcome
from pipelines.roster import Limits
from pipelines.roster import Named as Named
from pipelines.stages import Llm, LlmEvent, LlmRequest, Message, TextDelta, ToolCall, Tts, TtsChunk, Voice, Word
from pipelines.stock import Shelf, Stock

LLM_LIMITS = Limits(first_s=6.0, switch_s=2.5, next_s=6.0, hedge_s=1.0)
TTS_LIMITS = Limits(first_s=2.5, switch_s=1.2, next_s=2.0, hedge_s=0.6)
RECOVERY_MS = 400.0  # from a failure in the middle of a sentence to the apology
GO_ON = (
    "Your answer to the caller's last words broke off, and the caller has heard its beginning: <<{said}>>. "
    "Go on from exactly there, in the same language; repeat nothing of it and do not mention this."
)


class FailoverLlm:
    """Llm over an ordered list."""

    def __init__(self, engines: Sequence[Named[Llm]], report: Report, meter: Meter | None = None) -> None:
        self._chain = Chain("llm", engines, LLM_LIMITS, report)
        self._meter = meter or Meter()

    def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        """As the protocol says. When a model breaks off in its text, the next one goes on with it; after a tool call,
        what came is the answer."""
        return self._chain.stream(_Answer(request, self._meter))

    async def close(self) -> None:
        """The engines are shared and stay open."""


class _Answer:
    """A `Request` to models. After a tool's result one may have nothing to add; to a caller it has to say or do
    something."""

    def __init__(self, request: LlmRequest, meter: Meter) -> None:
        self._request = request
        self._meter = meter
        self._asked: dict[Named[Llm], Asked] = {}
        self._said: list[str] = []
        self._after_tool = bool(request.messages) and request.messages[-1].role == "tool"
        self.complete = False  # a tool was called: what was not said can be said with its result

    @property
    def may_be_empty(self) -> bool:
        return self._after_tool or bool(self._said)

    def ask(self, named: Named[Llm]) -> AsyncGenerator[LlmEvent, None]:
        if not self._said:
            return self._counted(named, self._request)
        said = "".join(self._said)
        return _going_on(self._counted(named, _to_go_on(self._request, said)), said)

    def _counted(self, named: Named[Llm], request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        self._asked[named] = asked = self._meter.asked(named, request)
        return asked.counted(named.engine.stream(request))

    def is_output(self, item: LlmEvent) -> bool:
        return isinstance(item, ToolCall) or (isinstance(item, TextDelta) and bool(item.text.strip()))

    def took(self, item: LlmEvent) -> None:
        if isinstance(item, TextDelta):
            self._said.append(item.text)
        elif isinstance(item, ToolCall):
            self.complete = True

    def ended(self, named: Named[Llm], outcome: Outcome) -> None:
        asked = self._asked.pop(named, None)
        if asked is not None:
            asked.wasted = outcome is Outcome.LOST or (outcome is Outcome.FAILED and not asked.answered)


def _to_go_on(request: LlmRequest, said: str) -> LlmRequest:
    """The same request, and the beginning of its answer. That stands with the instructions: a history that ends with an
    assistant's message, or with a second system message, is refused by some servers and ignored by some models."""
    messages, note = list(request.messages), GO_ON.format(said=said.strip())
    if messages and messages[0].role == "system":
        messages[0] = msgspec.structs.replace(messages[0], content=f"{messages[0].content}\n\n{note}")
    else:
        messages.insert(0, Message("system", note))
    return msgspec.structs.replace(request, messages=messages)


async def _going_on(events: AsyncGenerator[LlmEvent, None], said: str) -> AsyncGenerator[LlmEvent, None]:
    """Without what repeats what was said."""
    continuation = Continuation(said)
    async with aclosing(events):
        async for event in events:
            if isinstance(event, TextDelta):
                if text := continuation.feed(event.text):
                    yield TextDelta(text)
                continue
            if isinstance(event, ToolCall) and (text := continuation.finish()):
                yield TextDelta(text)
            yield event
    if text := continuation.finish():
        yield TextDelta(text)


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
        meter: Meter | None = None,
    ) -> None:
        self._first = engines[0].engine
        self._made_of = engines[0].made_of
        next_s = min(TTS_LIMITS.next_s, (silence_ms - RECOVERY_MS) / 1000.0)
        self._chain = Chain("tts", engines, msgspec.structs.replace(TTS_LIMITS, next_s=next_s), report)
        self._stock = stock or Stock(())
        self._meter = meter or Meter()

    def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        """As the protocol says. When a voice breaks off in the text, the next one speaks the rest of it."""
        shelf = self._stock.shelf(self._first, voice, audio_format, self._made_of)
        if shelf.takes(text):
            return self._from_stock(text, voice, audio_format, shelf)
        return self._chain.stream(_Sentence(text, voice, audio_format, self._first, shelf, self._meter))

    async def _from_stock(
        self, text: str, voice: Voice, audio_format: AudioFormat, shelf: Shelf
    ) -> AsyncGenerator[TtsChunk, None]:
        chunks = await shelf.find(text)
        if chunks is not None:
            for chunk in chunks:
                yield chunk
            return
        made = self._chain.stream(_Sentence(text, voice, audio_format, self._first, shelf, self._meter))
        async with aclosing(made):
            async for chunk in made:
                yield chunk

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


class _Sentence:
    """A `Request` to voices. What the first voice said whole by itself is put on the shelf."""

    def __init__(
        self, text: str, voice: Voice, audio_format: AudioFormat, first: Tts, shelf: Shelf, meter: Meter
    ) -> None:
        self._left = text
        self._voice = voice
        self._format = audio_format
        self._first = first
        self._shelf = shelf
        self._made: list[TtsChunk] | None = [] if shelf.takes(text) else None
        self._text = text
        self._words: list[Word] = []  # of the newest voice
        self._spoken_ms = 0.0
        self._since_ms = 0.0  # the newest voice has been speaking
        self._spoken = meter.spoken(text)
        self._parts: dict[Named[Tts], Part] = {}
        self.may_be_empty = not _speakable(text)

    @property
    def complete(self) -> bool:
        return not _speakable(self._rest())

    def ask(self, named: Named[Tts]) -> AsyncGenerator[TtsChunk, None]:
        self._left, self._since_ms = self._rest(), self._spoken_ms
        self._words.clear()
        # A voice id belongs to the provider it was chosen for.
        voice = self._voice
        if named.engine is not self._first:
            voice = Voice(language=voice.language, speed=voice.speed)
        self._parts[named] = part = self._spoken.part(named, len(self._text) - len(self._left))
        chunks = part.counted(named.engine.synthesize(self._left, voice, self._format), self._format)
        return _later(chunks, self._spoken_ms) if self._spoken_ms else chunks

    def is_output(self, item: TtsChunk) -> bool:
        return bool(item.audio)

    def took(self, item: TtsChunk) -> None:
        self._spoken_ms += self._format.duration_ms(len(item.audio))
        self._words += item.words
        if self._made is not None:
            self._made.append(item)

    def ended(self, named: Named[Tts], outcome: Outcome) -> None:
        if (part := self._parts.pop(named, None)) is not None:
            part.lost = outcome is Outcome.LOST
        alone = named.engine is self._first and not self._since_ms
        if outcome is Outcome.FINISHED and alone and self._made is not None:
            self._shelf.put(self._text, self._made)

    def _rest(self) -> str:
        if self._spoken_ms == self._since_ms:
            return self._left
        since_ms = self._since_ms
        words = [Word(w.text, w.start_ms - since_ms, w.end_ms - since_ms) for w in self._words]
        return self._left[unspoken(self._left, words, self._spoken_ms - since_ms) :]


def _speakable(text: str) -> bool:
    return any(character.isalnum() for character in text)


async def _later(chunks: AsyncGenerator[TtsChunk, None], after_ms: float) -> AsyncGenerator[TtsChunk, None]:
    """Spoken after so much of the sentence: its word times count from the sentence's start."""
    async with aclosing(chunks):
        async for chunk in chunks:
            words = tuple(Word(w.text, w.start_ms + after_ms, w.end_ms + after_ms, w.confidence) for w in chunk.words)
            yield TtsChunk(chunk.audio, words)
