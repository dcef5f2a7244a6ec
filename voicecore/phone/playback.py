"""The buffer in which a carrier keeps what the server sends, and plays it on its own 20 ms clock.

Two rules. Audio is played in the order it came, whatever the size of the pieces. A mark comes back when
everything queued before it has been played: at once when nothing is queued, and also when a clear threw
that audio away. Source: Twilio's "WebSocket messages" reference for Media Streams. No I/O, no clock:
one `tick` is 20 ms.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

FRAME_BYTES = 160  # 20 ms of mu-law at 8 kHz
SILENT_FRAME = b"\xff" * FRAME_BYTES
UNDERRUN_TICKS = 10  # audio that comes within 200 ms after the buffer ran dry continued a sentence: a hole


class Played(NamedTuple):
    """What 20 ms sounded like, and the names of the marks that were reached."""

    audio: bytes  # 160 bytes, padded with silence
    marks: tuple[str, ...]


class Playback:
    """Carrier-side play-out buffer of one call."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._offset = 0  # bytes of the first piece that were played
        self._marks: deque[tuple[int, str]] = deque()  # (bytes queued before it, name)
        self._queued = 0  # bytes ever queued, played or thrown away
        self._done = 0  # bytes ever played or thrown away
        self._ran_dry_ticks: int | None = None  # ticks since the buffer ran dry by itself
        self.underruns = 0
        self.partial_frames = 0  # frames that had to be padded
        self.clears = 0
        self.cleared_bytes = 0

    @property
    def buffered_bytes(self) -> int:
        return self._queued - self._done

    @property
    def pending_marks(self) -> int:
        return len(self._marks)

    def feed(self, audio: bytes) -> None:
        """Queue mu-law audio of any length, also none."""
        if not audio:
            return
        if self._ran_dry_ticks is not None:
            self.underruns += self._ran_dry_ticks < UNDERRUN_TICKS
            self._ran_dry_ticks = None
        self._pieces.append(audio)
        self._queued += len(audio)

    def mark(self, name: str) -> tuple[str, ...]:
        """Place a mark behind what is queued; returns it when that is nothing."""
        if self._queued == self._done:
            return (name,)
        self._marks.append((self._queued, name))
        return ()

    def clear(self) -> tuple[str, ...]:
        """Throw away what is queued; returns every mark that waited for it."""
        self.clears += 1
        self.cleared_bytes += self.buffered_bytes
        self._pieces.clear()
        self._offset = 0
        self._done = self._queued
        self._ran_dry_ticks = None
        marks = tuple(name for _, name in self._marks)
        self._marks.clear()
        return marks

    def tick(self) -> Played:
        """Play 20 ms."""
        if self._queued == self._done:
            if self._ran_dry_ticks is not None:
                self._ran_dry_ticks += 1
            return Played(SILENT_FRAME, ())
        audio = self._take()
        if len(audio) < FRAME_BYTES:
            self.partial_frames += 1
            audio += SILENT_FRAME[len(audio) :]
        if self._queued == self._done:
            self._ran_dry_ticks = 0
        return Played(audio, self._reached())

    def _take(self) -> bytes:
        first = self._pieces[0]
        end = self._offset + FRAME_BYTES
        if end < len(first):  # the usual case: pieces are longer than a frame
            audio = first[self._offset : end]
            self._offset = end
            self._done += FRAME_BYTES
            return audio
        taken = bytearray(first[self._offset :])
        self._pieces.popleft()
        self._offset = 0
        while len(taken) < FRAME_BYTES and self._pieces:
            piece = self._pieces[0]
            wanted = FRAME_BYTES - len(taken)
            taken += piece[:wanted]
            if wanted < len(piece):
                self._offset = wanted
            else:
                self._pieces.popleft()
        self._done += len(taken)
        return bytes(taken)

    def _reached(self) -> tuple[str, ...]:
        if not self._marks or self._marks[0][0] > self._done:
            return ()
        names = []
        while self._marks and self._marks[0][0] <= self._done:
            names.append(self._marks.popleft()[1])
        return tuple(names)
