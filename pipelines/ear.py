"""The inbound half of a conversation: frames in, boundaries of speech out, audio on to the recogniser.

Synchronous and per call. It decides nothing about turns; it only keeps a little audio from before the
first detected speech, so that no word's beginning is lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from pipelines.audio import FRAME_MS, rms
from pipelines.machines.boundaries import Boundary, SpeechPaused
from pipelines.machines.endpointing import Endpointer
from pipelines.stages import Expect, SttSession, VadStream

PREROLL_MS = 300
TAIL_MS = 240  # audio kept to find the last sample of speech in
SPEECH_END_WINDOW_MS = 5
SPEECH_END_BELOW_PEAK = 0.02  # -34 dB against the loudest 5 ms of the last word: softer than that is room
FLOOR_FACTOR = 3.0  # 10 dB above the noise that follows
LOUDER_FRAMES = 4
FAINTEST_RMS = 100.0  # -50 dBFS


class Ear:
    """One call's hearing. `feed` takes exactly one 20 ms frame of signed 16-bit samples."""

    __slots__ = ("_bytes_per_ms", "_kept", "_recent", "_recognising", "_stt", "_vad", "endpointer")

    def __init__(self, vad: VadStream, stt: SttSession, endpointer: Endpointer, rate_hz: int) -> None:
        self._vad = vad
        self._stt = stt
        self._bytes_per_ms = rate_hz * 2 // 1000
        self._recent: deque[bytes] = deque(maxlen=max(PREROLL_MS, TAIL_MS) // FRAME_MS)
        self._recognising = False
        self._kept = False  # an utterance is open or held
        self.endpointer = endpointer

    @property
    def partial(self) -> str:
        """Newest hypothesis of the utterance, also of one that is held."""
        return self._stt.partial if self._kept else ""

    def feed(self, pcm: bytes, start_ms: float) -> Boundary | None:
        speech = self._vad.feed(pcm)
        self._recent.append(pcm)
        if self._recognising:
            self._stt.feed(pcm)
        end_ms = start_ms + FRAME_MS
        boundary = self.endpointer.feed(start_ms, end_ms, speech)
        if isinstance(boundary, SpeechPaused):
            return SpeechPaused(self._refine(boundary.speech_end_ms, end_ms))
        return boundary

    @property
    def recent(self) -> Sequence[bytes]:
        """The newest frames, as many as are kept."""
        return self._recent

    def level(self) -> float:
        """How loud a voice in the newest frames is: the level that a few of them exceed."""
        return sorted(map(rms, self._recent))[-min(LOUDER_FRAMES, len(self._recent))] if self._recent else 0.0

    def begin(self, expect: Expect) -> None:
        """A fresh utterance, from a little before it was noticed."""
        self._stt.begin(expect)
        self._recognising = self._kept = True
        self._replay()

    def resume(self) -> None:
        """The utterance that was held goes on."""
        self._recognising = True
        self._replay()

    def hold(self) -> None:
        """The turn was committed: keep the utterance, stop feeding it."""
        self._recognising = False
        self._recent.clear()  # it was heard: what is said next, or goes on, must not be heard with it twice

    def drop(self) -> None:
        self._recognising = self._kept = False
        self._recent.clear()
        self._stt.end()
        self.endpointer.reset()

    def _replay(self) -> None:
        for pcm in list(self._recent)[-(PREROLL_MS // FRAME_MS) :]:
            self._stt.feed(pcm)

    def _refine(self, coarse_ms: float, now_ms: float) -> float:
        """The last sample of speech to 5 ms: the detector answers for whole frames and misses a last "k" or "t"."""
        tail = b"".join(self._recent)
        window = SPEECH_END_WINDOW_MS * self._bytes_per_ms
        levels = [rms(tail[at : at + window]) for at in range(0, len(tail) - window + 1, window)]
        start_ms = now_ms - len(levels) * SPEECH_END_WINDOW_MS
        first = max(0, int((coarse_ms - 2 * FRAME_MS - start_ms) // SPEECH_END_WINDOW_MS))
        after = sorted(levels[int((coarse_ms - start_ms) // SPEECH_END_WINDOW_MS) :])
        floor = after[len(after) // 4] if after else 0
        threshold = max(FLOOR_FACTOR * floor, max(levels, default=0) * SPEECH_END_BELOW_PEAK, FAINTEST_RMS)
        for index in range(len(levels) - 1, first - 1, -1):
            if levels[index] > threshold:
                return start_ms + (index + 1) * SPEECH_END_WINDOW_MS
        return coarse_ms
