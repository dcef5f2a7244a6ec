"""A call's audio on its way in: held while nothing can follow from it and while others are heard, put in its place, and
fed to the conversation.

Hundreds of calls in turn find nothing of theirs in the processor's caches: three or five frames in one go cost little
more than one. How many may wait is for the conversation to say.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from pipelines.audio import FRAME_MS, AudioFormat
from pipelines.conversation import Conversation
from voicecore.rota import Rota
from voicecore.transports.messages import Audio
from voicecore.transports.timeline import Placed, Timeline, stretches

MOST_HELD = 250  # messages (5 s): this process is far behind, and whoever sends more has to wait for it

log = structlog.get_logger(__name__)


class Hearing:
    """One call's. `frame` takes audio in the order in which it came. `failed`: its call cannot be heard."""

    __slots__ = ("_conversation", "_due", "_failed", "_held", "_now_s", "_one_frame", "_rota", "_spare", "timeline")

    def __init__(
        self, audio_format: AudioFormat, now_s: Callable[[], float], rota: Rota, failed: Callable[[], None]
    ) -> None:
        self._now_s = now_s
        self._rota = rota
        self._failed = failed
        self._due = False  # it is in the rota
        self._one_frame = FRAME_MS * audio_format.bytes_per_ms
        self._held: list[tuple[Audio, float]] = []
        self._spare = 0  # of them that may wait
        self._conversation: Conversation | None = None
        self.timeline = Timeline(audio_format)

    def begin(self, conversation: Conversation) -> None:
        """From now on audio is heard."""
        self._conversation = conversation
        self.release()

    def frame(self, audio: Audio) -> None:
        """A message of audio; before `begin`, it is kept."""
        held = self._held
        held.append((audio, self._now_s() * 1000.0))
        if self._due:
            if len(held) >= MOST_HELD:
                self.hear()
            return
        if len(held) <= self._spare and len(audio.payload) == self._one_frame:
            return
        if self._conversation is not None:
            self._due = True
            self._rota.put(self)

    def hear(self) -> None:
        """From the rota."""
        self._due = False
        try:
            self.release()
        except Exception:
            # One broken call must not keep the others from being heard; it ends, and is reported.
            log.exception("call_not_heard")
            self._failed()

    def release(self) -> None:
        """Whatever may come: what waits is heard now."""
        conversation = self._conversation
        if conversation is None:
            return
        if self._held:
            held, self._held = self._held, []
            frames: list[Placed] = []
            place = self.timeline.place
            for audio, arrived_ms in held:
                for frame, start_ms in place(audio.payload, audio.chunk):
                    frames.append((frame, start_ms, arrived_ms))
            for pcm, start_ms, arrivals in stretches(frames) if frames else ():
                conversation.feed(pcm, start_ms, arrivals)
        self._spare = conversation.spare_frames
