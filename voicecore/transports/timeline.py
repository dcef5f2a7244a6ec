"""Puts arriving audio at its place in call time, by counting samples and the peer's message numbers.

Arrival time plays no part. Duplicates and late messages are dropped and counted, losses leave a gap of
their own length, odd sizes are cut into whole 20 ms frames.
"""

from __future__ import annotations

from pipelines.audio import FRAME_MS, AudioFormat

LONGEST_GAP = 250  # messages (5 s): beyond that the peer's numbering restarted, nothing was lost
RESYNC_AFTER = 25  # late messages in a row after which the peer's numbering is believed again

Placed = tuple[bytes, float, float]  # a frame, its start in call time, its arrival in monotonic time (milliseconds)


def stretches(frames: list[Placed]) -> list[tuple[bytes, float, list[float]]]:
    """Frames without a gap between them as one: (audio, start, arrivals)."""
    if frames[-1][1] - frames[0][1] == (len(frames) - 1) * FRAME_MS:  # nearly always: they are in order
        return [(b"".join([frame for frame, _, _ in frames]), frames[0][1], [came for _, _, came in frames])]
    return [(frame, start_ms, [came]) for frame, start_ms, came in frames]


class Timeline:
    """One call's inbound audio. `place` gives (frame, start in milliseconds of call time)."""

    __slots__ = (
        "_frame_bytes",
        "_late_in_row",
        "_next_chunk",
        "_position_ms",
        "_rest",
        "frames",
        "late_messages",
        "lost_messages",
    )

    def __init__(self, audio_format: AudioFormat) -> None:
        self._frame_bytes = audio_format.bytes_per_ms * FRAME_MS
        self._position_ms = 0.0
        self._next_chunk: int | None = None  # after the newest one; None before the first
        self._late_in_row = 0
        self._rest = b""
        self.frames = 0
        self.lost_messages = 0
        self.late_messages = 0  # duplicates and inversions

    def place(self, payload: bytes, chunk: int | None) -> list[tuple[bytes, float]]:
        if chunk is not None:
            if chunk != self._next_chunk and not self._in_order(chunk):
                return []
            self._next_chunk = chunk + 1
            self._late_in_row = 0
        if len(payload) == self._frame_bytes and not self._rest:
            return [(payload, self._advance())]
        data, size = self._rest + payload, self._frame_bytes
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        return [(data[at : at + size], self._advance()) for at in range(0, whole, size)]

    def _advance(self) -> float:
        start = self._position_ms
        self._position_ms = start + FRAME_MS
        self.frames += 1
        return start

    def _in_order(self, chunk: int) -> bool:
        """For a number that is not the next one: is it to be believed? The first one always is."""
        missing = chunk - self._next_chunk if self._next_chunk is not None else 0
        if missing < 0 and self._late_in_row < RESYNC_AFTER:
            self.late_messages += 1
            self._late_in_row += 1
            return False
        if 0 < missing < LONGEST_GAP:
            self.lost_messages += missing
            self._position_ms += missing * FRAME_MS
        return True
