"""Messages of audio that wait for the next ones, so that several frames are handled in one go.

Hundreds of calls in turn find nothing of theirs in the processor's caches: three or five frames in one go cost little
more than one. How many may wait is for the conversation to say; whatever is not plainly one frame of audio never does.
"""

from __future__ import annotations

from collections.abc import Callable

from pipelines.audio import FRAME_MS, AudioFormat

Message = tuple[bytes, float]  # and when it came, in monotonic milliseconds


class Holding:
    """One connection's messages, in order."""

    __slots__ = ("_heads", "_held", "_now_s", "_one_frame", "spare")

    def __init__(self, heads: tuple[bytes, ...], now_s: Callable[[], float]) -> None:
        """`heads`: how the dialect's messages of audio begin."""
        self._heads = heads
        self._now_s = now_s
        self._held: list[Message] = []
        self._one_frame = 0
        self.spare = 0  # messages that may wait

    def expect(self, audio_format: AudioFormat) -> None:
        """What is going to be sent: a message with two frames of it, in base64, is never held."""
        self._one_frame = 2 * FRAME_MS * audio_format.bytes_per_ms * 4 // 3

    def add(self, data: bytes) -> list[Message] | None:
        """All that is to be handled now; None while the message and those before it may wait."""
        held = self._held
        held.append((data, self._now_s() * 1000.0))
        if len(held) <= self.spare and len(data) < self._one_frame and data.startswith(self._heads):
            return None
        self._held = []
        return held

    def release(self) -> list[Message]:
        """What waits, whatever may come."""
        held, self._held = self._held, []
        return held
