"""What the caller hears: queued → sent → heard, every byte tagged with the generation of its reply.

Two rules. Audio of a cancelled generation is dropped and counted, never sent late. Audio is released a bounded time
ahead of being heard, so pausing is simply not releasing; what a clear takes back is released again.
It knows nothing of sockets; time is an argument (call time in milliseconds).
"""

from __future__ import annotations

from collections import deque
from math import inf

from pipelines.audio import FRAME_MS, AudioFormat, silence
from pipelines.machines.line import Line
from pipelines.machines.spoken import Spoken
from pipelines.stages import Word

# With 300 ms allowed ahead, between 220 and 300 ms are out at any time: a stall of 200 ms is not heard.
CHUNK_MS = 60.0


class Release:
    """Bytes for the socket now, and when (call time) their first sample will be heard."""

    __slots__ = ("audio", "heard_at_ms", "last")

    def __init__(self, audio: bytes, heard_at_ms: float, last: bool) -> None:
        self.audio = audio
        self.heard_at_ms = heard_at_ms
        self.last = last  # nothing of this reply remains


class Playout:
    """The playout ledger of one call."""

    __slots__ = (
        "_chunk_bytes",
        "_complete",
        "_fed_ms",
        "_frame_bytes",
        "_queue",
        "_queued_bytes",
        "_release_below_ms",
        "_was_paused",
        "audio_format",
        "generation",
        "line",
        "paused",
        "spoken",
        "stale_bytes",
        "underruns",
    )

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
        self.line = Line(audio_format)
        self._reset()

    def _reset(self) -> None:
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._fed_ms = 0.0  # audio of this reply taken in
        self._complete = False
        self._was_paused = False  # the gap that follows is a pause of ours, no underrun
        self.line.begin()
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

    def break_text(self, generation: int) -> None:
        """The voice broke off in the newest text: of it, only what was made can be heard."""
        if generation == self.generation and self.spoken:
            self.spoken[-1].text = self.spoken[-1].heard(self._fed_ms)

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
        return self.line.sent_ms > 0.0

    @property
    def generated_ms(self) -> float:
        return self._fed_ms

    @property
    def position_ms(self) -> float:
        """How much of the reply was released."""
        return self.line.sent_ms

    @property
    def ends_ms(self) -> float:
        """Call time at which everything released so far has been heard."""
        return self.line.ends_ms

    def rest_ms(self, now_ms: float) -> float:
        """How long nothing can be due, if nothing is fed, paused or cleared meanwhile."""
        if self._queued_bytes:
            return self.line.ends_ms - now_ms - self._release_below_ms
        return self.line.ends_ms - now_ms

    def unheard_ms(self, now_ms: float) -> float:
        """How much of the reply is still to be heard; infinite while more of it comes."""
        return self._fed_ms - self.line.heard_ms(now_ms) if self._complete else inf

    def in_last_text(self, now_ms: float) -> str:
        """The reply's last text when that is being heard; "" before, and while another one may come."""
        last = self.spoken[-1] if self.spoken else None
        return last.text if last and self._complete and self.line.heard_ms(now_ms) >= last.start_ms else ""

    def pause(self) -> None:
        """Release nothing until `resume`; the gap is no underrun."""
        self.paused = self._was_paused = True

    def resume(self) -> None:
        self.paused = False

    def take_back(self, now_ms: float) -> None:
        """Everything released was cleared at the carrier: what was not heard of it is to be released again."""
        if back := self.line.take_back(now_ms):
            self._queue.appendleft(back)
            self._queued_bytes += len(back)
        self._was_paused = True

    def finished(self, now_ms: float) -> bool:
        """Everything there was to say was heard."""
        if not self._complete or self._queued_bytes:
            return False
        return now_ms >= self.line.ends_ms or self.line.confirmed

    def release(self, now_ms: float) -> Release | None:
        """What is due now. Call again until it answers None."""
        if self.paused:
            return None
        if self._queued_bytes < self._frame_bytes and not (self._complete and self._queued_bytes):
            return None
        if self.line.ends_ms - now_ms > self._release_below_ms:
            return None
        if self.line.ends_ms < now_ms and self.started and not self._was_paused:
            self.underruns += 1
        audio = self._take(self._chunk_bytes)
        self._was_paused = False
        return Release(audio, self.line.send(audio, now_ms), self._complete and not self._queued_bytes)

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

    def confirm(self, generation: int, position_ms: float, epoch: int, now_ms: float) -> None:
        """A mark came back: this much of the reply was played."""
        if generation == self.generation:
            self.line.confirm(position_ms, epoch, now_ms)

    def said(self, now_ms: float) -> list[tuple[str, int]]:
        """The texts of this reply, and how many characters of each were heard."""
        position = self.line.heard_ms(now_ms)
        return [(s.text, len(s.heard(position))) for s in self.spoken]

    def heard_text(self, now_ms: float) -> str:
        position = self.line.heard_ms(now_ms)
        return " ".join(text for s in self.spoken if (text := s.heard(position)))

    def cancel(self) -> None:
        """Drop what was not released; the generation is over. Ask for the heard text before."""
        self._queue.clear()
        self._queued_bytes = 0
        self._complete = True
        self.generation += 1
