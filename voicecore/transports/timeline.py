"""Puts arriving audio at its place in call time, by counting samples and the peer's message numbers.

Arrival time plays no part. Duplicates and late messages are dropped and counted, losses leave a gap of
their own length, odd sizes are cut into whole 20 ms frames.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.audio import FRAME_MS, AudioFormat

LONGEST_GAP = 250  # messages (5 s): beyond that the peer's numbering restarted, nothing was lost
RESYNC_AFTER = 25  # late messages in a row after which the peer's numbering is believed again


class Timeline:
    """One call's inbound audio. `place` yields (frame, start in milliseconds of call time)."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self._frame_bytes = audio_format.bytes_per_ms * FRAME_MS
        self._position_ms = 0.0
        self._last_chunk: int | None = None
        self._late_in_row = 0
        self._rest = b""
        self.frames = 0
        self.lost_messages = 0
        self.late_messages = 0  # duplicates and inversions

    def place(self, payload: bytes, chunk: int | None) -> Iterator[tuple[bytes, float]]:
        if chunk is not None and not self._in_order(chunk):
            return
        if len(payload) == self._frame_bytes and not self._rest:
            yield payload, self._advance()
            return
        data, size = self._rest + payload, self._frame_bytes
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        for at in range(0, whole, size):
            yield data[at : at + size], self._advance()

    def _advance(self) -> float:
        start = self._position_ms
        self._position_ms = start + FRAME_MS
        self.frames += 1
        return start

    def _in_order(self, chunk: int) -> bool:
        last = self._last_chunk
        if last is not None and chunk <= last and self._late_in_row < RESYNC_AFTER:
            self.late_messages += 1
            self._late_in_row += 1
            return False
        if last is not None and 1 < chunk - last <= LONGEST_GAP:
            lost = chunk - last - 1
            self.lost_messages += lost
            self._position_ms += lost * FRAME_MS
        self._late_in_row = 0
        self._last_chunk = chunk
        return True
