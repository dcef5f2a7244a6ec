"""What the caller hears: queued → sent → heard, every byte tagged with the generation of its reply.

Two rules. Audio of a cancelled generation is dropped and counted, never sent late. The own ledger of
bytes and time decides what was heard; marks that the carrier returns only move it forward. Audio is
released a bounded time ahead of being heard, so pausing is simply not releasing.
It knows nothing of sockets; time is an argument (call time in milliseconds).
"""

from __future__ import annotations

from collections import deque

import msgspec

from pipelines.audio import FRAME_MS, AudioFormat, silence
from pipelines.stages import Word

# With 300 ms allowed ahead, between 220 and 300 ms are out at any time: a stall of 200 ms is not heard.
CHUNK_MS = 60.0
CHARACTER_MS = 65.0  # of text whose audio is not complete yet: about 15 characters a second of ordinary speech


class Spoken(msgspec.Struct):
    """A chunk of text and where its audio lies in the reply (milliseconds of the reply's audio)."""

    text: str
    start_ms: float
    end_ms: float
    words: list[Word] = []
    whole: bool = False  # no more audio of this text comes

    def heard(self, position_ms: float) -> str:
        """The words of this chunk that lie before a position; a word counts once its middle was played."""
        if self.whole and position_ms >= self.end_ms - 1.0:
            return self.text
        if position_ms <= self.start_ms:
            return ""
        into_ms = position_ms - self.start_ms
        written = self.text.split()
        if self.words:
            count = sum(1 for w in self.words if (w.start_ms + w.end_ms) / 2 <= into_ms)
            share = count / (len(self.words) if self.whole else max(len(self.words), len(written)))
        else:
            length_ms = self.end_ms - self.start_ms
            share = into_ms / (length_ms if self.whole else max(length_ms, len(self.text) * CHARACTER_MS))
        return " ".join(written[: round(share * len(written))])


class Release(msgspec.Struct, frozen=True):
    """Bytes for the socket now, and when (call time) their first sample will be heard."""

    audio: bytes
    heard_at_ms: float
    last: bool  # nothing of this reply remains


class Playout:
    """The playout ledger of one call."""

    def __init__(self, audio_format: AudioFormat, ahead_ms: float) -> None:
        """`ahead_ms`: no more than this is ever released before it is heard."""
        self.audio_format = audio_format
        self.generation = 0
        self.paused = False
        self.stale_bytes = 0  # audio of cancelled generations that came late and was dropped
        self.underruns = 0
        self._release_below_ms = ahead_ms - CHUNK_MS
        self._frame_bytes = FRAME_MS * audio_format.bytes_per_ms
        self._chunk_bytes = int(CHUNK_MS) * audio_format.bytes_per_ms
        self._spans: list[tuple[float, float, float]] = []
        self._reset()

    def _reset(self) -> None:
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._fed_ms = 0.0  # audio of this reply taken in
        self._sent_ms = 0.0  # audio of this reply released
        self._head_ms = 0.0  # call time up to which released audio plays
        self._confirmed_ms = 0.0  # what marks proved
        self._complete = False
        self._was_paused = False  # the gap that follows is a pause of ours, no underrun
        self._spans.clear()  # (call time, position, length) of uninterrupted stretches
        self.spoken: list[Spoken] = []

    # --- filling ------------------------------------------------------------------------------------

    def begin(self) -> int:
        """A new reply; whatever an older one still has is stale from now on. Returns its generation."""
        self.generation += 1
        self._reset()
        self.paused = False
        return self.generation

    def open_text(self, generation: int, text: str) -> None:
        """The audio fed from now on speaks this text."""
        if generation == self.generation:
            if self.spoken:
                self.spoken[-1].whole = True
            self.spoken.append(Spoken(text, self._fed_ms, self._fed_ms))

    def feed(self, generation: int, audio: bytes, words: tuple[Word, ...] = ()) -> bool:
        """Queue audio. False: the generation is over and the audio was dropped."""
        if generation != self.generation:
            self.stale_bytes += len(audio)
            return False
        if audio:
            self._queue.append(audio)
            self._queued_bytes += len(audio)
            self._fed_ms += self.audio_format.duration_ms(len(audio))
        if self.spoken:
            self.spoken[-1].end_ms = self._fed_ms
            self.spoken[-1].words.extend(words)
        return True

    def complete(self, generation: int) -> None:
        """The reply has no more audio to come."""
        if generation == self.generation:
            self._complete = True
            if self.spoken:
                self.spoken[-1].whole = True

    # --- playing ------------------------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """Is there audio to release?"""
        return self._queued_bytes > 0

    @property
    def started(self) -> bool:
        """Has any audio of this reply been released?"""
        return self._sent_ms > 0.0

    @property
    def generated_ms(self) -> float:
        return self._fed_ms

    @property
    def position_ms(self) -> float:
        """How much of the reply was released."""
        return self._sent_ms

    @property
    def ends_ms(self) -> float:
        """Call time at which everything released so far has been heard."""
        return self._head_ms

    def rests(self, now_ms: float) -> bool:
        """As much is out as may be, and it is still being heard: nothing can be due now."""
        return self._head_ms - now_ms > self._release_below_ms

    def finished(self, now_ms: float) -> bool:
        """Everything there was to say was heard."""
        if not self._complete or self._queued_bytes:
            return False
        return now_ms >= self._head_ms or self.confirmed

    @property
    def confirmed(self) -> bool:
        """A mark proved that everything sent was played."""
        return self._confirmed_ms >= self._sent_ms - 1.0

    def release(self, now_ms: float) -> Release | None:
        """What is due now. Call again until it answers None."""
        if self.paused:
            self._was_paused = True
            return None
        if self._queued_bytes < self._frame_bytes and not (self._complete and self._queued_bytes):
            return None
        if self._head_ms - now_ms > self._release_below_ms:
            return None
        first = not self._sent_ms
        if self._head_ms < now_ms:
            if not first and not self._was_paused:
                self.underruns += 1
            self._head_ms = now_ms
        audio = self._take(self._chunk_bytes)
        heard_at, length = self._head_ms, self.audio_format.duration_ms(len(audio))
        self._note_span(heard_at, length)
        self._head_ms += length
        self._sent_ms += length
        self._was_paused = False
        return Release(audio, heard_at, self._complete and not self._queued_bytes)

    def _note_span(self, at_ms: float, length_ms: float) -> None:
        if self._spans:
            start, position, span = self._spans[-1]
            if abs(start + span - at_ms) < 0.01:
                self._spans[-1] = (start, position, span + length_ms)
                return
        self._spans.append((at_ms, self._sent_ms, length_ms))

    def _take(self, size: int) -> bytes:
        """Up to `size` bytes from the queue in whole frames; the reply's last one is filled up with silence.

        Carriers play a part of a frame with an audible gap behind it.
        """
        if self._complete and self._queued_bytes < size and self._queued_bytes % self._frame_bytes:
            missing = self._frame_bytes - self._queued_bytes % self._frame_bytes
            self._queue.append(silence(self.audio_format, FRAME_MS)[:missing])
            self._queued_bytes += missing
        size = min(size, self._queued_bytes - self._queued_bytes % self._frame_bytes)
        parts: list[bytes] = []
        missing = size
        while missing:
            head = self._queue.popleft()
            if len(head) > missing:
                self._queue.appendleft(head[missing:])
                head = head[:missing]
            parts.append(head)
            missing -= len(head)
        self._queued_bytes -= size
        return parts[0] if len(parts) == 1 else b"".join(parts)

    # --- hearing ------------------------------------------------------------------------------------

    def confirm(self, generation: int, position_ms: float) -> None:
        """A mark came back: this much of the reply was played."""
        if generation == self.generation:
            self._confirmed_ms = max(self._confirmed_ms, min(position_ms, self._sent_ms))

    def heard_ms(self, now_ms: float) -> float:
        """How much of the reply the caller has heard."""
        by_clock = 0.0
        for start, position, length in self._spans:
            if now_ms > start:
                by_clock = position + min(now_ms - start, length)
        return max(by_clock, self._confirmed_ms)

    def heard_text(self, now_ms: float) -> str:
        position = self.heard_ms(now_ms)
        return " ".join(text for s in self.spoken if (text := s.heard(position)))

    def cancel(self) -> None:
        """Drop what was not released; the generation is over. Ask for the heard text before."""
        self._queue.clear()
        self._queued_bytes = 0
        self._complete = True
        self.generation += 1
