"""Engines that do again what they did in a stored call, as long after being asked as then.

Asked the same at the same moment, they answer the same. Asked something else they approximate, and count it: an
unheard span of speech is answered from the words understood in the whole call after the median delay, another
text is answered with the reply that was nearest in time, and spoken as fast as this voice speaks.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from statistics import median
from typing import TypeVar

import msgspec

from config.schema import Capabilities
from pipelines import trace
from pipelines.audio import AudioFormat, from_pcm16, silence
from pipelines.brain.tools import Toolbox, tool_specs
from pipelines.errors import StageError
from pipelines.replay.stored import StoredCall, Utterance
from pipelines.replay.words import PREROLL_MS, between, timeline
from pipelines.simulation.virtual_time import pass_ms, virtual_loop
from pipelines.stages import (
    Expect,
    LlmEvent,
    LlmRequest,
    ToolCall,
    Transcript,
    TtsChunk,
    Voice,
    Word,
)
from pipelines.traced_engines import last_words

NEAR_MS = 60.0  # the same place: what voice detection hears may depend a little on the silence before
AFTER_CUT_MS = 20.0  # what was given up would have come this much later, at least
LOUD = b"\x00\x20\x00\xe0"  # two samples, far above what counts as audible
CHARACTER_MS = 65.0  # of speech whose voice was never heard: about 15 characters a second
NEVER_MS = 3_600_000.0

T = TypeVar("T", trace.Asked, trace.Spoke, trace.ToolUsed)


class Approximations(msgspec.Struct):
    """How often an engine was asked what it had not been asked in the stored call."""

    stt: int = 0
    detector: int = 0
    llm: int = 0
    tts: int = 0
    tools: int = 0


def nearest(records: Sequence[T], at_ms: float) -> T | None:
    return min(records, key=lambda record: abs(record.at_ms - at_ms), default=None)


async def _until(at_s: float) -> None:
    wait_ms = (at_s - virtual_loop().time()) * 1000.0
    if wait_ms > 0.0:
        await pass_ms(wait_ms)


class RecordedStt:
    """An `SttSession`. `heard`: end of the newest audio, in time of the recording."""

    def __init__(self, call: StoredCall, heard: Callable[[], float], guesses: Approximations) -> None:
        self._utterances = call.utterances
        self._heard = heard
        self._guesses = guesses
        self._words = timeline(call.utterances)
        took = [f.took_ms for u in call.utterances for f in u.flushes if not f.cut and not f.error]
        self._usual_ms = median(took) if took else 0.0
        self._has_partials = any(utterance.partials for utterance in call.utterances)
        self._same: Utterance | None = None  # as then, from its beginning
        self._from_ms = 0.0
        self._asked_ms = 0.0  # newest audio that was asked about

    @property
    def partial(self) -> str:
        if not self._has_partials:
            return ""
        heard_ms = self._heard()
        if self._same is None:
            return between(self._words, self._from_ms, heard_ms)
        known = [(p.heard_ms, p.text) for p in self._same.partials]
        known += [(f.heard_ms + f.took_ms, f.text) for f in self._same.flushes if not f.cut and not f.error]
        return max((k for k in known if k[0] <= heard_ms), default=(0.0, ""), key=lambda k: k[0])[1]

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        heard_ms = self._heard()
        near = [u for u in self._utterances if abs(u.began_ms - heard_ms) <= NEAR_MS]
        self._same = min(near, key=lambda utterance: abs(utterance.began_ms - heard_ms), default=None)
        self._from_ms = max(heard_ms - PREROLL_MS, self._asked_ms)

    def feed(self, pcm: bytes) -> None:
        pass

    async def flush(self) -> Transcript:
        heard_ms = self._asked_ms = self._heard()
        record = self._same.flush_at(heard_ms, NEAR_MS) if self._same else None
        if record is None:
            self._guesses.stt += 1
            await pass_ms(self._usual_ms)
            return Transcript(between(self._words, self._from_ms, heard_ms))
        if record.cut:
            await pass_ms(max(record.took_ms + AFTER_CUT_MS, self._usual_ms))
            return Transcript(between(self._words, self._from_ms, heard_ms))
        await pass_ms(record.took_ms)
        if record.error:
            raise StageError(record.error, stage="stt", provider="recorded")
        return Transcript(record.text, tuple(Word(*word) for word in record.words))

    def end(self) -> None:
        pass

    async def close(self) -> None:
        pass


class RecordedDetector:
    """A `TurnDetector`; about a pause that it never heard it has nothing to say."""

    def __init__(self, call: StoredCall, heard: Callable[[], float], guesses: Approximations) -> None:
        self._detections = call.detections
        self._heard = heard
        self._guesses = guesses

    async def probability(self, pcm: bytes, rate_hz: int) -> float:
        heard_ms = self._heard()
        near = [d for d in self._detections if abs(d.heard_ms - heard_ms) <= NEAR_MS]
        record = min(near, key=lambda detected: abs(detected.heard_ms - heard_ms), default=None)
        if record is None:
            self._guesses.detector += 1
        if record is None or (record.probability < 0 and not record.error):
            await pass_ms(NEVER_MS)
            raise StageError("no answer was recorded", stage="turn", provider="recorded")
        await pass_ms(record.took_ms)
        if record.error:
            raise StageError(record.error, stage="turn", provider="recorded")
        return record.probability

    async def close(self) -> None:
        pass


class RecordedLlm:
    """An `Llm`. `now`: time of the recording."""

    def __init__(self, call: StoredCall, now: Callable[[], float], guesses: Approximations) -> None:
        self._requests = call.requests
        self._whole = [r for r in call.requests if not r.cut and not r.error]
        self._now = now
        self._guesses = guesses
        self._stands_for: dict[str, str] = {}  # what was said in replay → in the stored call

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        started_s = virtual_loop().time()
        said, after = last_words(request)
        record = self._find(self._stands_for.get(said, said), after)
        if record is None:
            record = self._other(said, after)
        if record is None:
            await pass_ms(NEVER_MS)  # nobody ever answered in this call
            return
        for gave in record.gave:
            await _until(started_s + gave.at / 1000.0)
            yield gave.event()
        await _until(started_s + record.took_ms / 1000.0)
        if record.error:
            raise StageError(record.error, stage="llm", provider="recorded")
        if record.cut:
            await pass_ms(AFTER_CUT_MS)
            for gave in self._rest(record):
                yield gave.event()

    def _find(self, said: str, after: int) -> trace.Asked | None:
        return nearest([r for r in self._requests if (r.said, r.after) == (said, after)], self._now())

    def _other(self, said: str, after: int) -> trace.Asked | None:
        """The reply nearest in time; what follows upon its tools is then its own, too."""
        self._guesses.llm += 1
        record = nearest([r for r in self._whole if r.after == after], self._now())
        if record is not None:
            self._stands_for[said] = record.said
        return record

    def _rest(self, record: trace.Asked) -> Sequence[trace.Gave]:
        """How a reply that was given up would have gone on, if the same or one near in time went to its end."""
        same = [r for r in self._whole if (r.said, r.after) == (record.said, record.after)]
        whole = nearest(same, record.at_ms)
        if whole is None and not record.gave:
            whole = nearest([r for r in self._whole if r.after == record.after], record.at_ms)
        self._guesses.llm += 1
        return whole.gave[len(record.gave) :] if whole is not None else ()

    async def close(self) -> None:
        pass


class RecordedTts:
    """A `Tts` that hums. `now`: time of the recording."""

    def __init__(self, call: StoredCall, now: Callable[[], float], guesses: Approximations) -> None:
        self._spoken = call.spoken
        self._now = now
        self._guesses = guesses
        self._format = call.opened.outbound
        whole = [s for s in call.spoken if s.pieces and not s.cut and not s.error]
        self._first_ms = median([s.pieces[0].at for s in whole]) if whole else 0.0
        rates = [self._format.duration_ms(sum(p.size for p in s.pieces)) / len(s.text) for s in whole if s.text]
        self._character_ms = median(rates) if rates else CHARACTER_MS

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        started_s = virtual_loop().time()
        record = nearest([s for s in self._spoken if s.text == text], self._now())
        if record is None:
            self._guesses.tts += 1
            await pass_ms(self._first_ms)
            yield TtsChunk(hum(self._size(text), 0, audio_format))
            return
        for piece in record.pieces:
            await _until(started_s + piece.at / 1000.0)
            yield TtsChunk(hum(piece.size, piece.quiet, audio_format), tuple(Word(*word) for word in piece.words))
        await _until(started_s + record.took_ms / 1000.0)
        if record.error:
            raise StageError(record.error, stage="tts", provider="recorded")
        missing = self._size(text) - sum(piece.size for piece in record.pieces)
        if record.cut and missing > 0:
            self._guesses.tts += 1
            await pass_ms(AFTER_CUT_MS)
            yield TtsChunk(hum(missing, 0, audio_format))

    def _size(self, text: str) -> int:
        samples = round(len(text) * self._character_ms * self._format.rate_hz / 1000)
        return samples * self._format.bytes_per_sample

    async def close(self) -> None:
        pass


def hum(size: int, quiet: int, audio_format: AudioFormat) -> bytes:
    """`size` bytes that are silence at first and audible from there on."""
    loud = from_pcm16(LOUD, audio_format.codec)
    lead = silence(audio_format, 20)
    return (lead * (quiet // len(lead) + 1))[:quiet] + (loud * (size // len(loud) + 1))[: size - quiet]


class RecordedToolbox(Toolbox):
    """Does nothing to anybody: every tool has the result that it had."""

    def __init__(
        self,
        call: StoredCall,
        capabilities: Capabilities,
        hang_up: Callable[[], None],
        now: Callable[[], float],
        guesses: Approximations,
    ) -> None:
        self.specs = tool_specs(capabilities)
        self._tools = call.tools
        self._hang_up = hang_up
        self._at = now
        self._guesses = guesses

    async def run(self, call: ToolCall, *, speculative: bool = False) -> str:
        if speculative and self.has_side_effect(call.name):
            return '{"error":"not_committed","message":"nothing was done"}'
        named = [tool for tool in self._tools if tool.name == call.name]
        record = nearest([tool for tool in named if tool.arguments == call.arguments], self._at())
        if record is None:
            self._guesses.tools += 1
            record = nearest(named, self._at())
        if record is not None:
            await pass_ms(record.took_ms)
        if call.name == "end_call":
            self._hang_up()
        return record.result if record is not None else '{"error":"not_recorded","message":"never called"}'
