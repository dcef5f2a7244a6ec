"""The outbound half of a conversation: one call's playout joined to its outlet, tape and pacer.

Synchronous. It trims the silence before the first sound of a reply, releases audio in time, asks for
marks where the carrier has them, and can always say what the caller has heard.
"""

from __future__ import annotations

import asyncio
import re

from pipelines.audio import Codec, Resampler, rms, silence, to_pcm16
from pipelines.clock import CallClock
from pipelines.journal import Tape
from pipelines.machines.playout import Playout
from pipelines.outlet import Outlet
from pipelines.pacer import Pacer
from pipelines.stages import Word

# Generation, milliseconds of the reply, and how many clears came before, when any did. Generation 0 is nobody's.
OUR_MARK = re.compile(r"g([0-9]{1,9}):([0-9]{1,9})(?::([0-9]{1,9}))?")
MARK_EVERY_MS = 960.0  # of speech: one a second tells how far the carrier lags
FIRST_MARK = "g0:0"  # sent into a silent line
LET_FINISH_MS = 280.0  # so little is not worth a pause: it is over as soon as a caller expects silence
AUDIBLE_RMS = 60  # about -55 dBFS in 5 ms: softer is the voice's leading silence
TRIM_STEP_MS = 5
SENTENCE_GAP_MS = 180  # voices end their chunks without one
FULL_MS = 20_000.0  # audio waiting beyond this makes the voice wait
ROOM_MS = 10_000.0


class Mouth:
    """Speaks one reply at a time; its owner ticks it while it plays."""

    __slots__ = (
        "_clock",
        "_first_mark_ms",
        "_marked_ms",
        "_outlet",
        "_pacer",
        "_room",
        "_tape",
        "_trimming",
        "first_heard_ms",
        "playout",
        "said",
        "trimmed_ms",
    )

    def __init__(self, outlet: Outlet, tape: Tape, pacer: Pacer, clock: CallClock, ahead_ms: float) -> None:
        self._outlet = outlet
        self._tape = tape
        self._pacer = pacer
        self._clock = clock
        self._room = asyncio.Event()
        self._trimming = False
        self._marked_ms = 0.0  # of the reply
        self._first_mark_ms: float | None = None  # when it was sent
        self.playout = Playout(outlet.audio_format, ahead_ms)
        self.trimmed_ms = 0.0  # leading silence cut from the running reply
        self.first_heard_ms: float | None = None  # call time of the running reply's first audible sample
        self.said: list[tuple[str, int]] = []  # of the reply that was cancelled last; see `Playout.said`

    # --- one reply ----------------------------------------------------------------------------------

    def begin(self) -> int:
        self._trimming = True
        self.trimmed_ms = 0.0
        self.first_heard_ms = None
        self._marked_ms = 0.0
        self._room.set()
        if self._outlet.has_marks and self._first_mark_ms is None:
            self._first_mark_ms = self._pacer.now_ms()
            self._outlet.send_mark(FIRST_MARK)
        return self.playout.begin()

    def open_text(self, generation: int, text: str) -> None:
        """A chunk of text is spoken next, after the breath that belongs between two sentences."""
        if self.playout.spoken and not self._trimming:
            self.playout.feed(generation, silence(self._outlet.audio_format, SENTENCE_GAP_MS))
        self.playout.open_text(generation, text)

    def feed(self, generation: int, audio: bytes, words: tuple[Word, ...]) -> bool:
        """Queue speech and send what is due. True when this made the reply audible for the first time."""
        if self._trimming and generation == self.playout.generation:
            audio, words = self._trim(audio, words)
        if not self.playout.feed(generation, audio, words):
            return False
        if self.playout.generated_ms - self.playout.position_ms > FULL_MS:
            self._room.clear()
        silent_so_far = self.first_heard_ms is None
        self._release(self._pacer.now_ms())
        return silent_so_far and self.first_heard_ms is not None

    async def room(self) -> None:
        """Wait while too much is queued already."""
        await self._room.wait()

    def complete(self, generation: int) -> None:
        self.playout.complete(generation)
        if generation == self.playout.generation and self.playout.started and not self.playout.waiting:
            self._ask_mark()

    # --- playing ------------------------------------------------------------------------------------

    def tick(self, now_ms: float) -> float | None:
        """Release what is due. Returns for how many milliseconds nothing will be, None: the reply was heard out."""
        self._release(now_ms)
        now = self._clock.at(now_ms)
        return None if self.playout.finished(now) else self.playout.rest_ms(now)

    def pause(self) -> None:
        """Send nothing more for now; what was sent will still be heard."""
        if self.playout.unheard_ms(self._now()) > LET_FINISH_MS:
            self.playout.pause()

    def hush(self) -> None:
        """Be silent at once, where the line can be cleared; `resume` goes on where the caller's ear stopped."""
        now = self._now()
        if self.playout.unheard_ms(now) <= LET_FINISH_MS:
            self.resume()
            return
        self.playout.pause()
        if self._clear(now):
            self.playout.take_back(now)
            self._marked_ms = self.playout.position_ms

    def resume(self) -> None:
        self.playout.resume()
        self._release(self._pacer.now_ms())

    def cancel(self) -> tuple[str, float]:
        """Stop speaking at once. Returns the text that was heard and the call time at which it broke off."""
        now, playout = self._now(), self.playout
        ends = playout.ends_ms if playout.started else now
        heard_until = max(now, ends + playout.line.lag_ms)
        if self._clear(now):
            ends, heard_until = min(ends, now), now
        heard = playout.heard_text(heard_until)
        self.said = playout.said(heard_until)
        playout.cancel()
        self._room.set()
        return heard, ends

    def _clear(self, now: float) -> bool:
        """Have what was sent and not heard forgotten. False when there is no such audio, or no such thing as that."""
        line = self.playout.line
        if line.ends_ms + line.lag_ms <= now or not self._outlet.send_clear():
            return False
        self._tape.erase_agent_after(now - line.lag_ms)
        return True

    def mark_returned(self, name: str) -> None:
        if name == FIRST_MARK and self._first_mark_ms is not None:
            self.playout.line.answered(self._pacer.now_ms() - self._first_mark_ms)
        elif match := OUR_MARK.fullmatch(name):
            self.playout.confirm(int(match[1]), float(match[2]), int(match[3] or 0), self._now())

    def heard_text(self, now_ms: float) -> str:
        return self.playout.heard_text(self._clock.at(now_ms))

    def sounded(self, from_ms: float, to_ms: float, rate_hz: int) -> bytes:
        """What was heard of us in this stretch of call time, less than a second ago: signed 16-bit samples."""
        audio_format = self._outlet.audio_format
        pcm = to_pcm16(self.playout.line.sounded(from_ms, to_ms), audio_format.codec)
        if audio_format.rate_hz == rate_hz:
            return pcm
        return Resampler(audio_format.rate_hz, rate_hz).feed(pcm, last=True)

    # --- inside -------------------------------------------------------------------------------------

    def _release(self, now_ms: float) -> None:
        now = self._clock.at(now_ms)
        while (release := self.playout.release(now)) is not None:
            self._outlet.send_audio(release.audio)
            self._tape.agent(release.heard_at_ms, to_pcm16(release.audio, self._outlet.audio_format.codec))
            if self.first_heard_ms is None:
                self.first_heard_ms = release.heard_at_ms
            if release.last or self.playout.position_ms - self._marked_ms >= MARK_EVERY_MS:
                self._ask_mark()
        if not self._room.is_set() and self.playout.generated_ms - self.playout.position_ms < ROOM_MS:
            self._room.set()

    def _ask_mark(self) -> None:
        playout = self.playout
        if not self._outlet.has_marks or self._marked_ms == playout.position_ms:
            return
        self._marked_ms = playout.position_ms
        name = f"g{playout.generation}:{int(self._marked_ms)}"
        self._outlet.send_mark(f"{name}:{playout.line.epoch}" if playout.line.epoch else name)

    def _now(self) -> float:
        return self._clock.at(self._pacer.now_ms())

    def _trim(self, audio: bytes, words: tuple[Word, ...]) -> tuple[bytes, tuple[Word, ...]]:
        """Cut silence before the reply's first sound; word times move along."""
        audio_format = self._outlet.audio_format
        step = TRIM_STEP_MS * audio_format.bytes_per_ms
        width = 1 if audio_format.codec is not Codec.PCM16 else 2
        step -= step % width
        cut = 0
        while cut < len(audio) and rms(to_pcm16(audio[cut : cut + step], audio_format.codec)) < AUDIBLE_RMS:
            cut += step
        if cut < len(audio):
            self._trimming = False
        cut_ms = audio_format.duration_ms(min(cut, len(audio)))
        self.trimmed_ms += cut_ms
        if self.trimmed_ms:
            shift = self.trimmed_ms
            words = tuple(Word(w.text, max(0.0, w.start_ms - shift), max(0.0, w.end_ms - shift)) for w in words)
        return audio[cut:], words
